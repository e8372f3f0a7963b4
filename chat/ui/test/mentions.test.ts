import { afterEach, describe, expect, it } from "vitest";
import type { Mentions, RoomEvent } from "../src/lib/client/frames";
import { knowOwnGroups, meansMe } from "../src/lib/client/mentions";
import { applyEvents, fromInfo, unreadMentions, withMarker, withRead } from "../src/lib/client/room-state";
import { showChips } from "../src/lib/mention-chips";
import { type Choosable, choicesFor } from "../src/lib/mention-choices";
import { mentionsAll, namesIn, wordBefore } from "../src/lib/mention-text";
import { roomInfo } from "./examples";

const ME = 7;

function event(
	seq: number,
	type: string,
	data: Record<string, unknown>,
	more: { n: number; actor: number },
): RoomEvent {
	return { seq, type, key: null, at: "2026-11-20T10:00:00Z", data, ...more };
}

afterEach(() => knowOwnGroups([]));

describe("names in a text", () => {
	it("are found as the server finds them", () => {
		const found = namesIn("@anna, @Boris.Ok #ops-1 a@b.c https://x.y/@eve \\@dan @@x @babel/core (@анна)");

		expect(found.map(({ sign, readings }) => [sign, ...readings])).toEqual([
			["@", "anna"],
			["@", "Boris.Ok", "Boris"],
			["#", "ops-1", "ops"],
			["@", "анна"],
		]);
	});

	it("mention everybody outside code only", () => {
		for (const text of ["@room!", "hi @Here", "`a` @room"]) expect(mentionsAll(text)).toBe(true);
		for (const text of ["`@room`", "```\n@room\n```", "@rooms", "x@room.org"])
			expect(mentionsAll(text)).toBe(false);
	});

	it("are completed while they are written", () => {
		expect(wordBefore("ask @an", 7)).toEqual({ sign: "@", query: "an", from: 4, to: 7 });
		expect(wordBefore("(#", 2)).toEqual({ sign: "#", query: "", from: 1, to: 2 });
		for (const text of ["a@b", "@an ", "1#2", ""]) expect(wordBefore(text, text.length)).toBeNull();
	});
});

describe("chips", () => {
	const shown = (html: string, names: Record<string, string>) => {
		const prose = document.createElement("div");
		prose.innerHTML = html;
		const show = () =>
			showChips(prose, (sign, name) => {
				const text = names[`${sign}${name}`];
				return text === undefined
					? null
					: { text, mine: name === "me", ...(sign === "#" ? { href: "#/x" } : {}) };
			});
		show();
		return { prose, show };
	};

	it("replace known names outside code and links", () => {
		const { prose } = shown("<p>@Anna.ok, @no <code>@anna</code> <a href='x'>@anna</a> #ops @me</p>", {
			"@anna": "@Anna K.",
			"@me": "@Me",
			"#ops": "#Operations",
		});

		expect(prose.textContent).toBe("@Anna K..ok, @no @anna @anna #Operations @Me");
		expect([...prose.querySelectorAll(".mention")].map((one) => [one.tagName, one.className])).toEqual([
			["SPAN", "mention"],
			["A", "mention"],
			["SPAN", "mention mine"],
		]);
	});

	it("follow a change of name, and go when there is none", () => {
		const names: Record<string, string> = { "@anna": "@Anna" };
		const { prose, show } = shown("<p>@anna!</p>", names);

		names["@anna"] = "@Anna <b>";
		show();
		expect(prose.textContent).toBe("@Anna <b>!");
		names["@anna"] = undefined as unknown as string;
		show();
		expect(prose.innerHTML).toBe("<p>@anna!</p>");
	});
});

describe("choices", () => {
	const user = (id: number, username: string, name = username) => ({ id, username, name });
	const from: Choosable = {
		members: [user(1, "anna"), user(ME, "me")],
		others: [user(1, "anna"), user(2, "andy")],
		groups: [{ id: 3, handle: "android", name: "Android team", members: 4 }],
		rooms: [{ id: 5, slug: "ops", name: "Operations" }],
		me: ME,
		words: { group: "", everybody: "", present: "", invite: "not here", people: (n) => `${n}` },
	};

	it("are people of the room, groups, everybody, and others", () => {
		const texts = (query: string, sign: "@" | "#" = "@") =>
			choicesFor({ sign, query, from: 0, to: 0 }, from).map(({ text }) => text);

		expect(texts("an")).toEqual(["@anna", "@android", "@andy"]);
		expect(texts("")).toContain("@room");
		expect(texts("oper", "#")).toEqual(["#ops"]);
	});
});

describe("unread mentions", () => {
	const posted = (seq: number, mentions: Mentions | null, actor = 2) =>
		event(seq, "message.posted", { body: "x", ...(mentions ? { mentions } : {}) }, { n: seq, actor });

	it("count me, my groups and everybody, not my own", () => {
		knowOwnGroups([4]);
		const state = applyEvents(
			fromInfo(roomInfo({ head: 0, n: 0, read: 0, read_n: 0 })),
			[
				posted(1, { people: { me: ME } }),
				posted(2, { groups: { g: 4 } }),
				posted(3, { all: "here" }),
				posted(4, { people: { other: 8 }, groups: { h: 5 } }),
				posted(5, { all: "room" }, ME),
				posted(6, null),
			],
			ME,
		);

		expect(state.mentions).toEqual([1, 2, 3]);
		expect(unreadMentions(withRead(state, 1, 1))).toBe(2);
		const deleted = applyEvents(state, [event(7, "message.deleted", { target: 2 }, { n: 6, actor: 2 })], ME);
		expect(unreadMentions(deleted)).toBe(2);
		const edited = applyEvents(
			deleted,
			[event(8, "message.edited", { target: 3, body: "y" }, { n: 6, actor: 2 })],
			ME,
		);
		expect(unreadMentions(edited)).toBe(1);
	});

	it("come from the server and with a marker that was set back", () => {
		const state = fromInfo(roomInfo({ head: 9, n: 9, read: 5, read_n: 5, mentions: [7] }));

		expect(unreadMentions(state)).toBe(1);
		const back = withMarker(state, { room: state.id, read: 2, read_n: 2, mentions: [3, 7], set_at_ms: 1 });
		expect(unreadMentions(back)).toBe(2);
	});

	it("mean nobody without an account", () => {
		expect(meansMe({ all: "room" }, null)).toBe(false);
		expect(meansMe(null, ME)).toBe(false);
	});
});
