// @vitest-environment jsdom
import { flushSync } from "svelte";
import { describe, expect, it, vi } from "vitest";
import MembersPanel from "../src/components/MembersPanel.svelte";
import type { Role } from "../src/lib/client/frames";
import type { Banned } from "../src/lib/moderation-rest";
import { ui } from "../src/lib/state/ui.svelte";
import { byTestId, makeChat, press, room, settled, show } from "./component-world";
import { ME, person, ROOM } from "./examples";

type Row = { user: ReturnType<typeof person>; role: Role; muted_until: string | null };

async function panel(role: Role, rows: Row[], stored = 9, out: Banned[] = []) {
	const chat = makeChat();
	const members = vi.spyOn(chat.rest, "members");
	members.mockImplementation(async (_room, after = "", limit = 500, which = {}) => {
		const sorted = [...rows].sort((a, b) => (a.user.username < b.user.username ? -1 : 1));
		return sorted
			.filter(({ user }) => user.username > after && (which.among?.includes(user.id) ?? true))
			.filter(({ user }) => user.name.includes(which.named ?? ""))
			.slice(0, limit);
	});
	const banned = vi
		.spyOn(chat.rest.moderation, "banned")
		.mockImplementation(async (_room, after, limit, named = "") =>
			out
				.filter(({ user }) => user.username > after && user.name.toLowerCase().includes(named))
				.slice(0, limit),
		);
	const props = $state({ room: room({ role, head: 9, stored }) });
	chat.rooms.set(ROOM, props.room);
	const root = show(MembersPanel, chat, props);
	await settled();
	const names = () =>
		[...root.querySelectorAll("[data-testid=member]")].map((one) => one.textContent?.trim());
	return { chat, root, members, banned, names, props };
}

const member = (id: number, name: string, role: Role = "member"): Row => ({
	user: person(id, name),
	role,
	muted_until: null,
});
const everybody = [member(ME, "Anna"), member(3, "Carla", "owner"), member(2, "Boris", "moderator")];

function actions(root: HTMLElement, user: string): string[] {
	const button = root.querySelector<HTMLElement>(`[data-testid=member-actions][data-user=${user}]`);
	if (!button) return [];
	button.click();
	return ui.menu?.items.map((item) => item.name) ?? [];
}

describe("the panel of members", () => {
	it("lists those here and those who are not, by name, with what they are", async () => {
		const { chat, root, names } = await panel("member", everybody);
		expect(names().map((name) => name?.split(/\s/)[0])).toEqual(["A", "B", "C"]);
		expect(root.textContent).toContain("3 members");
		expect(root.textContent).toContain("owner");
		expect(root.textContent).toContain("moderator");

		chat.presence(ROOM, new Set([3]));
		flushSync();

		const titles = [...root.querySelectorAll("h3")].map((title) => title.textContent);
		expect(titles).toEqual(["Online — 1", "Offline — 2"]);
		expect(names()[0]).toContain("Carla");
	});

	it("offers what one may do with somebody, by both roles", async () => {
		const { root: seenByMember } = await panel("member", everybody);
		expect(actions(seenByMember, "person00002")).toEqual([]);

		const { root: seenByModerator } = await panel("moderator", [...everybody, member(4, "Dora")]);
		expect(actions(seenByModerator, "person00004")).toEqual(["member.mute", "member.remove", "member.ban"]);
		expect(actions(seenByModerator, "person00003")).toEqual([]);

		const { root: seenByOwner } = await panel("owner", everybody);
		expect(actions(seenByOwner, "person00002")).toContain("member.role");
	});

	it("asks for members once, and for bans only those who may see them, however many messages come", async () => {
		const { members, banned, props } = await panel("member", everybody);

		for (let seq = 10; seq < 60; seq++) {
			props.room = { ...props.room, last: seq, n: seq, stored: seq };
			flushSync();
		}
		await settled();

		expect(members).toHaveBeenCalledOnce();
		expect(banned).not.toHaveBeenCalled();
	});

	it("has a screenful of 5,000 in the document, and loads the rest when it is asked to", async () => {
		const many = Array.from({ length: 5_000 }, (_, at) => member(at + 10, `Member ${at}`));
		const { root, names, members } = await panel("owner", many);
		expect(names().length).toBeLessThan(60);

		byTestId(root, "more-members").click();
		await settled();

		expect(members).toHaveBeenCalledTimes(2);
		expect(names().length).toBeLessThan(60);
		const titles = [...root.querySelectorAll("h3")].map((title) => title.textContent);
		expect(titles).toEqual(["Offline"]);
	});

	it("shows who is online, though the pages have not come to them, and asks for them once", async () => {
		const many = Array.from({ length: 5_000 }, (_, at) => member(at + 10, `Member ${at}`));
		const { chat, root, names, members, props } = await panel("member", many);

		chat.presence(ROOM, new Set([4_900, 4_901, 9_999]));
		flushSync();
		await settled();

		expect(root.querySelector("h3")?.textContent).toBe("Online — 3");
		expect(names().slice(0, 2).join()).toMatch(/Member 4890.*Member 4891/);
		expect(members).toHaveBeenCalledTimes(2);
		props.room = { ...props.room, last: 10, n: 10, stored: 10 };
		chat.presence(ROOM, new Set([4_900, 9_999]));
		flushSync();
		await settled();
		expect(members).toHaveBeenCalledTimes(2);
	});

	it("finds members by part of a name: those it has at once, the others at the server", async () => {
		const many = Array.from({ length: 5_000 }, (_, at) => member(at + 10, `Member ${at}`));
		const { root, names, members } = await panel("member", many);
		const field = byTestId(root, "members-query") as HTMLInputElement;
		const type = async (text: string) => {
			field.value = text;
			field.dispatchEvent(new Event("input", { bubbles: true }));
			flushSync();
			await vi.waitFor(() => expect(byTestId(root, "members-found").textContent).not.toContain("Loading"));
		};

		await type("  ember 4890 ");
		expect(names()).toHaveLength(1);
		expect(names()[0]).toContain("Member 4890");
		expect(root.querySelectorAll("[data-testid=more-members]")).toHaveLength(0);
		await type("nobody");
		expect(names()).toHaveLength(0);
		expect(byTestId(root, "members-found").textContent).toContain("No people found");
		await type("Member");
		expect(byTestId(root, "members-found").textContent).toContain("There are more");
		const asked = members.mock.calls.length;

		press(field, "Escape");
		expect(field.value).toBe("");
		expect(names().length).toBeGreaterThanOrEqual(10);
		expect(members).toHaveBeenCalledTimes(asked);
	});

	it("finds members of a small room without the server, and offers it only where looking takes long", async () => {
		const { root } = await panel("member", everybody);
		expect(root.querySelectorAll("[data-testid=members-query]")).toHaveLength(0);

		const few = Array.from({ length: 30 }, (_, at) => member(at + 10, `Алёна ${at}`));
		const { root: larger, names, members } = await panel("member", few);
		const field = byTestId(larger, "members-query") as HTMLInputElement;
		field.value = "алена 7";
		field.dispatchEvent(new Event("input", { bubbles: true }));
		flushSync();

		expect(names()).toHaveLength(3);
		expect(members).toHaveBeenCalledOnce();
	});

	it("has the banned in pages, and finds one who is on none of them yet", async () => {
		const out = Array.from({ length: 250 }, (_, at) => ({
			user: { ...person(at + 1_000, `Out ${at}`), username: `out-${String(at).padStart(3, "0")}` },
			at: "2026-11-20T10:00:00Z",
			by: ME,
			reason: "",
		}));
		const { root, banned } = await panel("owner", everybody, 9, out);
		const shown = () => root.querySelectorAll("[data-testid=unban]").length;
		expect(shown()).toBe(100);
		byTestId(root, "more-banned").click();
		await settled();
		expect(shown()).toBe(200);

		const field = byTestId(root, "members-query") as HTMLInputElement;
		field.value = "out 249";
		field.dispatchEvent(new Event("input", { bubbles: true }));
		flushSync();
		await vi.waitFor(() => expect(shown()).toBe(1));
		press(field, "Escape");
		expect(shown()).toBe(201);
		byTestId(root, "more-banned").click();
		await settled();
		expect(shown()).toBe(250);
		expect(root.querySelectorAll("[data-testid=more-banned]")).toHaveLength(0);
		expect(root.textContent).toContain("Banned — 250");
		expect(banned).toHaveBeenCalledTimes(4);
	});

	it("has oneself in a room that is not stored", async () => {
		const { root, names } = await panel("owner", [], 0);

		expect(names()).toHaveLength(1);
		expect(names()[0]).toContain("Anna");
		expect(root.textContent).toContain("1 member");
	});

	it("says when the members cannot be had, and asks again", async () => {
		const chat = makeChat();
		const members = vi.spyOn(chat.rest, "members").mockRejectedValueOnce(new Error("away"));
		members.mockResolvedValue(everybody);
		const state = room({ head: 9, stored: 9 });
		chat.rooms.set(ROOM, state);
		const root = show(MembersPanel, chat, { room: state });
		await settled();
		expect(root.querySelectorAll("[data-testid=member]")).toHaveLength(0);

		root.querySelector<HTMLElement>("p + .v-button")?.click();
		await settled();

		expect(root.querySelectorAll("[data-testid=member]")).toHaveLength(3);
	});
});
