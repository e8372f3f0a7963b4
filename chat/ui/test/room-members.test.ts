import { describe, expect, it, vi } from "vitest";
import type { RoomEvent, RoomInfo } from "../src/lib/client/frames";
import { fromInfo, type RoomState } from "../src/lib/client/room-state";
import type { MembersPage, Which } from "../src/lib/rest";
import { MEMBERS_PAGE, RoomMembers } from "../src/lib/state/room-members.svelte";
import { ME, person, ROOM, roomInfo } from "./examples";

function row(id: number): MembersPage[number] {
	return { user: person(id), role: "member", muted_until: null };
}

function roomAt(head: number, stored: number, changes: Partial<RoomInfo> = {}): RoomState {
	return fromInfo(roomInfo({ head, stored, role: "owner", ...changes }));
}

/** A server with `stored` members, and a room that is at `state`. */
function world(state: RoomState, ...stored: number[]) {
	const server = { state: state as RoomState | undefined, stored, asked: 0 };
	const members = new RoomMembers(
		ME,
		async (_room, after, limit, which: Which = {}) => {
			server.asked++;
			return server.stored
				.filter((id) => which.among?.includes(id) ?? true)
				.map(row)
				.filter((one) => one.user.name.includes(which.named ?? ""))
				.filter((one) => one.user.username > after)
				.slice(0, limit);
		},
		() => server.state,
	);
	const ids = () => members.get(ROOM)?.map(({ id }) => id);
	return { server, members, ids };
}

let seq = 100;
function event(type: string, data: Record<string, unknown>, at = ++seq): RoomEvent {
	return { seq: at, n: 0, type, actor: ME, key: null, at: "2026-07-01T10:00:00Z", data };
}

describe("the members of a room", () => {
	it("have oneself among them before the room is stored", async () => {
		const { members } = world(roomAt(2, 0));

		await members.load(ROOM);

		expect(members.get(ROOM)).toEqual([{ id: ME, role: "owner", mutedUntil: null }]);
	});

	it("have both people of a direct conversation before it is stored", async () => {
		const { members, ids } = world(roomAt(3, 0, { kind: "direct", peer: person(2), role: "member" }));

		await members.load(ROOM);

		expect(ids()).toEqual([ME, 2]);
	});

	it("are looked at once more when the room is stored, and not after each message", async () => {
		const { server, members, ids } = world(roomAt(3, 0));
		await members.load(ROOM);
		server.stored = [ME, 2];

		server.state = roomAt(4, 2);
		members.changed(ROOM);
		expect(server.asked).toBe(1);
		for (let at = 3; at < 50; at++) {
			server.state = roomAt(at + 5, at);
			members.changed(ROOM);
		}

		await vi.waitFor(() => expect(ids()).toEqual([ME, 2]));
		expect(server.asked).toBe(2);
	});

	it("are looked at once more when the room was stored while the page came", async () => {
		const { server, members, ids } = world(roomAt(3, 0));

		const loading = members.load(ROOM);
		server.state = roomAt(3, 3);
		server.stored = [ME, 2];
		await loading;

		await vi.waitFor(() => expect(ids()).toEqual([ME, 2]));
	});

	it("are asked for once where everything is stored", async () => {
		const { server, members } = world(roomAt(3, 3), ME);

		await members.load(ROOM);
		server.state = roomAt(9, 9);
		members.changed(ROOM);

		expect(server.asked).toBe(1);
	});

	it("keep who came before they were asked for and is not stored yet", async () => {
		const { members, ids } = world(roomAt(10, 9), ME);
		members.happened(ROOM, event("member.joined", { user: 2, role: "moderator" }, 10));

		await members.load(ROOM);

		expect(ids()).toEqual([ME, 2]);
		expect(members.get(ROOM)?.[1]?.role).toBe("moderator");
	});

	it("are without those who left, although the page still has them", async () => {
		const { members, ids } = world(roomAt(10, 9), ME, 2, 3);
		members.happened(ROOM, event("member.left", { user: 2 }, 10));

		await members.load(ROOM);

		expect(ids()).toEqual([ME, 3]);
	});

	it("take what is stored from the page and not from older events", async () => {
		const { members, ids } = world(roomAt(10, 10), ME, 2);
		members.happened(ROOM, event("member.left", { user: 2 }, 8));

		await members.load(ROOM);

		expect(ids()).toEqual([ME, 2]);
	});

	it("come in pages, without oneself being added to a part of them", async () => {
		const many = Array.from({ length: MEMBERS_PAGE + 3 }, (_, at) => at + 2);
		const { members, ids } = world(roomAt(9, 3), ...many);

		await members.load(ROOM);
		expect(members.hasMore(ROOM)).toBe(true);
		expect(ids()).toEqual(many.slice(0, MEMBERS_PAGE));

		await members.loadMore(ROOM);
		expect(members.hasMore(ROOM)).toBe(false);
		expect(ids()).toEqual([...many, ME]);
	});

	it("are forgotten with the room, and what comes late is not taken in", async () => {
		const { server, members } = world(roomAt(3, 3), ME);

		const loading = members.load(ROOM);
		server.state = undefined;
		members.forget(ROOM);
		await loading;

		expect(members.get(ROOM)).toBeUndefined();
	});

	it("have those whom one asks for or looks for among them, wherever the pages end, and go on with the next page", async () => {
		const all = Array.from({ length: MEMBERS_PAGE + 300 }, (_, at) => at + 1);
		const { server, members, ids } = world(roomAt(9, 9), ...all);

		await members.include(ROOM, [3, 700, 9_999]);
		expect(ids()).toHaveLength(MEMBERS_PAGE + 1);
		expect(ids()).toContain(700);
		expect(server.asked).toBe(2);
		await members.include(ROOM, [3, 700]);
		expect(server.asked).toBe(2);
		expect(await members.find(ROOM, "Person 79")).toEqual([
			79, 790, 791, 792, 793, 794, 795, 796, 797, 798, 799,
		]);
		expect(ids()).toContain(799);

		await members.loadMore(ROOM);
		expect(members.hasMore(ROOM)).toBe(false);
		expect(new Set(ids())).toEqual(new Set(all));
		expect(ids()).toHaveLength(all.length);
		await members.include(ROOM, [9_999]);
		expect(server.asked).toBe(4);
	});

	it("have whom one asked for as what happened since made them", async () => {
		const all = Array.from({ length: MEMBERS_PAGE + 300 }, (_, at) => at + 1);
		const { members, ids } = world(roomAt(101, 9), ...all);
		await members.load(ROOM);
		members.happened(ROOM, event("member.left", { user: 700 }, 50));

		await members.include(ROOM, [700, 701]);

		expect(ids()).not.toContain(700);
		expect(ids()).toContain(701);
	});
});
