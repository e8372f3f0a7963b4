// @vitest-environment jsdom
import { afterEach, describe, expect, it, vi } from "vitest";
import Sidebar from "../src/components/Sidebar.svelte";
import { addSection } from "../src/lib/arranging";
import { markRead } from "../src/lib/state/mark-read";
import { toasts } from "../src/lib/state/toasts.svelte";
import { makeChat, press, room, settled, show } from "./component-world";

afterEach(() => {
	for (const { id } of toasts.list) toasts.dismiss(id);
});

function withRooms(count: number) {
	const chat = makeChat();
	for (let id = 1; id <= count; id++) {
		const name = `room ${String(id).padStart(3, "0")}`;
		const news = { head: 9, n: 8, read: 5, read_n: 4, own_after: [7] };
		chat.rooms.set(id, room({ id, slug: `room-${id}`, name, ...(id % 2 ? news : {}) }));
	}
	return chat;
}

describe("marking rooms read", () => {
	it("is about those that are unread, and can be undone for each exactly", () => {
		const chat = withRooms(4);
		const set = vi.spyOn(chat, "setMarkers").mockImplementation(() => {});

		markRead(chat, chat.rooms.values());
		expect(set.mock.lastCall?.[0]).toEqual([
			{ room: 1, seq: 9 },
			{ room: 3, seq: 9 },
		]);
		toasts.list[0]?.action?.run();

		expect(set.mock.lastCall?.[0]).toMatchObject([
			{ room: 1, seq: 5, known: { read: 5, read_n: 4, own_after: [7] } },
			{ room: 3, seq: 5 },
		]);
	});

	it("does nothing where everything is read", () => {
		const chat = withRooms(0);
		const set = vi.spyOn(chat, "setMarkers");

		markRead(chat, [room()]);

		expect(set).not.toHaveBeenCalled();
		expect(toasts.list[0]?.action).toBeNull();
	});
});

describe("the list of rooms", () => {
	it("is one Tab stop, and arrows go through it", async () => {
		const root = show(Sidebar as never, withRooms(5), {});
		await settled();
		const items = () => [...root.querySelectorAll<HTMLElement>("[data-testid=room-item]")];
		const stops = () => items().filter((item) => item.tabIndex === 0);
		expect(stops()).toEqual([items()[0]]);

		items()[0]?.focus();
		press(items()[0] as HTMLElement, "ArrowDown");
		expect(document.activeElement).toBe(items()[1]);
		expect(stops()).toEqual([items()[1]]);
		press(items()[1] as HTMLElement, "ArrowRight");
		expect((document.activeElement as HTMLElement).dataset.testid).toBe("room-menu");
		press(document.activeElement as HTMLElement, "ArrowLeft");
		press(items()[1] as HTMLElement, "End");

		expect(document.activeElement).toBe(items()[4]);
	});

	it("has the menu of a section beside its heading", async () => {
		const chat = withRooms(2);
		vi.spyOn(chat.rest, "arrange").mockImplementation(async (wanted) => wanted);
		chat.arrangement.change(addSection("Work"));
		const root = show(Sidebar as never, chat, {});
		await settled();
		const heading = root.querySelector<HTMLElement>('[data-group="section Work"]') as HTMLElement;

		heading.focus();
		press(heading, "ArrowRight");

		expect((document.activeElement as HTMLElement).dataset.testid).toBe("section-menu");
	});
});
