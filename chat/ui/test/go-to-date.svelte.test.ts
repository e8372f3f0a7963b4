// @vitest-environment jsdom
import { expect, it, vi } from "vitest";
import GoToDate from "../src/dialogs/GoToDate.svelte";
import { toasts } from "../src/lib/state/toasts.svelte";
import { byTestId, makeChat, room, settled, show } from "./component-world";
import { ROOM } from "./examples";

function world(seq: number | null, at: string | null) {
	const chat = makeChat();
	chat.rooms.set(ROOM, room());
	const first = vi.spyOn(chat.rest, "firstMessage").mockResolvedValue({ seq, at });
	const said = vi.spyOn(toasts, "show");
	const root = show(GoToDate, chat, { room: ROOM });
	return { root, first, said };
}

async function pick(root: HTMLElement, day: string): Promise<void> {
	const field = byTestId(root, "date") as HTMLInputElement;
	field.value = day;
	field.dispatchEvent(new Event("input", { bubbles: true }));
	byTestId(root, "date-go").click();
	await settled();
}

it("opens the room at the first message of the day, by the reader's clock", async () => {
	const day = new Date(2026, 10, 20);
	const { root, first, said } = world(42, new Date(2026, 10, 20, 9).toISOString());

	await pick(root, "2026-11-20");

	expect(first).toHaveBeenCalledWith(ROOM, day);
	expect(location.hash).toBe("#/lunch/42");
	expect(said).not.toHaveBeenCalled();
});

it("says when the day is empty and where it leads instead", async () => {
	const { root, said } = world(43, new Date(2026, 10, 23, 9).toISOString());

	await pick(root, "2026-11-20");

	expect(location.hash).toBe("#/lunch/43");
	expect(said.mock.calls[0]?.[0]).toContain("Nothing was written that day");
});

it("says when nothing was written since, and opens the end", async () => {
	const { root, said } = world(null, null);

	await pick(root, "2026-11-20");

	expect(location.hash).toBe("#/lunch");
	expect(said.mock.calls[0]?.[0]).toContain("since that day");
});
