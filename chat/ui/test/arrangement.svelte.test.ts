// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import * as arranging from "../src/lib/arranging";
import { iconWith } from "../src/lib/favicon";
import { RestError } from "../src/lib/rest";
import { grouped } from "../src/lib/room-groups";
import { type Arranged, Arrangement, type Change, NOTHING } from "../src/lib/state/arrangement.svelte";
import { makeChat, room, settled } from "./component-world";
import { person } from "./examples";

beforeEach(() => localStorage.clear());

function withRooms() {
	const chat = makeChat();
	const add = (id: number, name: string, changes = {}) =>
		chat.rooms.set(id, room({ id, slug: name, name, head: 9, n: 8, read: 9, read_n: 8, ...changes }));
	for (const [at, name] of ["alpha", "beta", "gamma"].entries()) add(at + 1, name);
	add(4, "delta", { read: 5, read_n: 4 });
	add(5, "boris", { kind: "direct", peer: person(2, "Boris") });
	return chat;
}

const inGroups = (arranged: Arranged, current: string | null = null) =>
	grouped(withRooms(), arranged, current).map(({ key, rooms }) => [key, rooms.map(({ id }) => id)]);

const changed = (...changes: Change[]) => changes.reduce((before, change) => change(before), NOTHING);

describe("the arranged list of rooms", () => {
	it("is by name, and conversations apart, until somebody arranges it", () => {
		expect(inGroups(NOTHING)).toEqual([
			["rooms", [1, 2, 4, 3]],
			["direct", [5]],
		]);
	});

	it("has favourites first, and each room in one place", () => {
		const arranged = changed(
			arranging.favourite(3, true),
			arranging.intoSection(3, "Work"),
			arranging.intoSection(5, "Work"),
			arranging.addSection("Empty"),
		);

		expect(inGroups(arranged)).toEqual([
			["favourites", [3]],
			["section Work", [5]],
			["section Empty", []],
			["rooms", [1, 2, 4]],
		]);
	});

	it("moves, renames, collapses and removes sections", () => {
		const two = changed(arranging.intoSection(1, "One"), arranging.intoSection(2, "Two"));
		const keys = (arranged: Arranged) => inGroups(arranged).map(([key]) => key);

		expect(keys(arranging.moveSection("Two", -1)(two)).slice(0, 2)).toEqual(["section Two", "section One"]);
		expect(keys(arranging.moveSection("Two", 1)(two)).slice(0, 2)).toEqual(["section One", "section Two"]);
		expect(keys(arranging.renameSection("Two", "2")(two))).toContain("section 2");
		expect(keys(arranging.renameSection("Two", "One")(two))).toContain("section Two");
		expect(keys(arranging.removeSection("Two")(two))).not.toContain("section Two");
		expect(inGroups(arranging.collapseSection("One", true)(two))[0]).toEqual(["section One", []]);
	});

	it("shows of what is collapsed the unread and the open room", () => {
		const arranged = changed(arranging.collapseBuiltIn("rooms", true));

		expect(inGroups(arranged, "beta")[0]).toEqual(["rooms", [2, 4]]);
	});

	it("has unread rooms first if the person wants", () => {
		expect(inGroups(changed(arranging.unreadFirst(true)))[0]).toEqual(["rooms", [4, 1, 2, 3]]);
	});

	it("leaves out a closed conversation until there is news, or while it is open", () => {
		const closed = changed(arranging.close(5, 8));

		expect(inGroups(closed).map(([key]) => key)).toEqual(["rooms"]);
		expect(inGroups(closed, "boris")[1]).toEqual(["direct", [5]]);
		expect(inGroups(changed(arranging.close(5, 7)))[1]).toEqual(["direct", [5]]);
		expect(inGroups(arranging.reopen(5)(closed))[1]).toEqual(["direct", [5]]);
	});
});

describe("Arrangement", () => {
	function server() {
		let kept: Arranged = NOTHING;
		return {
			arranged: vi.fn(async () => kept),
			arrange: vi.fn(async (wanted: Arranged) => {
				if (wanted.version !== kept.version) throw new RestError(409, "key_conflict", "");
				kept = { ...wanted, version: wanted.version + 1 };
				return kept;
			}),
		};
	}

	it("shows a change at once, and makes it again to what another device has changed", async () => {
		const shared = server();
		const [desk, phone] = [
			new Arrangement(shared, "desk", vi.fn()),
			new Arrangement(shared, "phone", vi.fn()),
		];

		desk.change(arranging.favourite(1, true));
		phone.change(arranging.favourite(2, true));
		expect(phone.now.favourites).toEqual([2]);
		await settled();
		await desk.refresh(2);

		expect(phone.now.favourites).toEqual([1, 2]);
		expect(desk.now).toEqual(phone.now);
		expect(new Arrangement(shared, "desk", vi.fn()).now.favourites).toEqual([1, 2]);
	});

	it("takes a change back that the server refuses, and says so", async () => {
		const shared = server();
		const failed = vi.fn();
		const one = new Arrangement(shared, "one", failed);
		shared.arrange.mockRejectedValueOnce(new RestError(409, "too_many", ""));

		one.change(arranging.addSection("one too many"));
		await settled();

		expect(one.now.sections).toEqual([]);
		expect(failed).toHaveBeenCalledOnce();
	});

	it("asks only for versions that it does not know", async () => {
		const shared = server();
		const one = new Arrangement(shared, "one", vi.fn());
		one.change(arranging.unreadFirst(true));
		await settled();

		await one.refresh(1);

		expect(shared.arranged).not.toHaveBeenCalled();
	});
});

describe("the page's icon", () => {
	it("has the number of direct messages, a dot for other news, or nothing", () => {
		expect(iconWith(0, false)).toBeNull();
		expect(iconWith(0, true)).not.toContain("text");
		expect(iconWith(3, true)).toContain("%3E3%3C");
		expect(iconWith(12, false)).toContain("9%2B");
	});
});
