import { describe, expect, it } from "vitest";
import type { Logged } from "../src/lib/client/chat-client";
import type { Role, RoomEvent } from "../src/lib/client/frames";
import * as rooms from "../src/lib/client/room-state";
import { actsOnMember, countdown, isMuted, mayPostAt } from "../src/lib/moderation";
import { roomInfo } from "./examples";
import { posted } from "./scripted-socket";

const ME = 1;
const AT = Date.parse("2026-11-20T10:00:00Z");

function slowRoom(changes = {}, ...events: RoomEvent[]): rooms.RoomState {
	const state = rooms.opened(rooms.fromInfo(roomInfo({ slow_mode_seconds: 30, ...changes })));
	return rooms.applyEvents(state, events);
}

describe("actsOnMember", () => {
	it.each<[Role, Role, string[]]>([
		["member", "member", []],
		["moderator", "member", ["member.mute", "member.remove", "member.ban"]],
		["moderator", "moderator", []],
		["moderator", "owner", []],
		["owner", "moderator", ["member.role", "member.mute", "member.remove", "member.ban"]],
		["owner", "owner", ["member.role"]],
	])("offers a %s against a %s: %j", (mine, theirs, acts) => {
		expect(actsOnMember({ kind: "public", role: mine }, { role: theirs, muted: false })).toEqual(acts);
	});

	it("offers to end a mute in place of a new one", () => {
		expect(actsOnMember({ kind: "public", role: "moderator" }, { role: "member", muted: true })).toContain(
			"member.unmute",
		);
	});

	it("offers nothing in a direct conversation", () => {
		expect(actsOnMember({ kind: "direct", role: "owner" }, { role: "member", muted: false })).toEqual([]);
	});
});

describe("isMuted", () => {
	it("lasts until its end", () => {
		expect(isMuted("2026-11-20T10:00:01Z", AT)).toBe(true);
		expect(isMuted("2026-11-20T10:00:00Z", AT)).toBe(false);
		expect(isMuted(null, AT)).toBe(false);
	});
});

describe("mayPostAt", () => {
	it("counts from one's own newest message, not from others'", () => {
		const room = slowRoom({}, posted(11, 9, "mine", { actor: ME }), posted(12, 10));

		expect(mayPostAt(room, ME, [], 0)).toBe(AT + 30_000);
		expect(mayPostAt(room, 9, [], 0)).toBe(0);
	});

	it("counts from a message that is acknowledged and not yet back", () => {
		const ok = { t: "ok", id: "c1", room: 5, epoch: 1, seq: 13, n: 11, at: "2026-11-20T10:05:00Z" } as const;
		const item = { intent: { t: "send", room: 5, body: "hi", reply_to: null } } as Logged["item"];
		const room = slowRoom({}, posted(11, 9, "mine", { actor: ME }));

		expect(mayPostAt(room, ME, [{ item, ok }], 0)).toBe(AT + 330_000);
	});

	it("does not count what was said before slow mode was turned on", () => {
		const on = { ...posted(12, 9), type: "room.updated", data: { slow_mode_seconds: 30 } };
		const room = slowRoom({}, posted(11, 9, "mine", { actor: ME }), on);

		expect(mayPostAt(room, ME, [], 0)).toBe(0);
	});

	it("believes the server where it asked for a longer wait", () => {
		const room = { ...slowRoom(), heldUntil: AT + 90_000 };

		expect(mayPostAt(room, ME, [], 5_000)).toBe(AT + 95_000);
	});

	it("holds for members alone, and only while slow mode is on", () => {
		const mine = posted(11, 9, "mine", { actor: ME });

		expect(mayPostAt(slowRoom({ role: "moderator" }, mine), ME, [], 0)).toBe(0);
		expect(mayPostAt(slowRoom({ slow_mode_seconds: 0 }, mine), ME, [], 0)).toBe(0);
	});
});

describe("countdown", () => {
	it("shows seconds as a clock does", () => {
		expect([0, 4.2, 65, 3_600].map(countdown)).toEqual(["0:00", "0:05", "1:05", "1:00:00"]);
	});
});
