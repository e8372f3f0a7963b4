// @vitest-environment jsdom
import { expect, it, vi } from "vitest";
import FurtherRooms from "../src/dialogs/FurtherRooms.svelte";
import type { RoomInfo } from "../src/lib/client/frames";
import { isolated } from "../src/lib/format";
import { makeChat, room, settled, show } from "./component-world";
import { person, ROOM } from "./examples";

it("tells archived rooms of one name apart by their addresses, and people by their user names", async () => {
	const chat = makeChat();
	chat.rooms.set(ROOM, room());
	const info = (id: number, slug: string, name: string, more: Partial<RoomInfo> = {}): RoomInfo => {
		const { epoch, stored, role } = room();
		const rest = { topic: "", archived: true, epoch, head: 0, n: 0, stored, read: 0, read_n: 0, role };
		return { id, slug, name, kind: "private", ...rest, ...more };
	};
	vi.spyOn(chat.rest, "furtherRooms").mockResolvedValue([
		info(10, "lunch-2", "LUNCH"),
		info(11, "plans", "Plans"),
		info(12, "d-1-9", "", { kind: "direct", peer: { ...person(9, "Boris"), ambiguous: true } }),
	]);

	const root = show(FurtherRooms, chat, {});
	await vi.waitFor(() => expect(root.querySelectorAll("[data-testid=further-room]")).toHaveLength(3));
	await settled();

	const texts = [...root.querySelectorAll("[data-testid=further-room] b")].map((one) => one.textContent);
	expect(texts).toEqual(["LUNCH\u00a0(lunch-2)", "Plans", `${isolated("Boris")} @person00009`]);
});
