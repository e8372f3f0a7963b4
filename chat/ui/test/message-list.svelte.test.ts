// @vitest-environment jsdom
import { flushSync } from "svelte";
import { describe, expect, it, vi } from "vitest";
import MessageList from "../src/components/MessageList.svelte";
import type { MessageItem } from "../src/lib/client/history";
import type { OutboxItem } from "../src/lib/client/outbox-store";
import { ui } from "../src/lib/state/ui.svelte";
import { byTestId, makeChat, settled, show, withMessages } from "./component-world";
import { ME, message, ROOM } from "./examples";

async function list(items: MessageItem[], { canWrite = true, canModerate = false } = {}) {
	const chat = makeChat();
	vi.spyOn(chat, "openRoom").mockResolvedValue();
	const props = $state({ room: withMessages(items), canWrite, canModerate });
	chat.rooms.set(ROOM, props.room);
	const root = show(MessageList as never, chat, props);
	await settled();
	const rows = () => [...root.querySelectorAll<HTMLElement>("[data-testid=message]")];
	return {
		chat,
		root,
		rows,
		show: (next: MessageItem[]) => {
			props.room = withMessages(next);
			flushSync();
		},
	};
}

function waiting(body: string, changes: Partial<OutboxItem> = {}): OutboxItem {
	const intent = { t: "send" as const, room: ROOM, body, reply_to: null };
	return { id: body, intent, key: `key of ${body}`, createdAt: 0, failed: null, ...changes };
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => message(at + 1));

describe("the list of messages", () => {
	it("shows one's own message at once, and once when it has arrived", async () => {
		const { chat, rows, show } = await list([message(1)]);

		chat.outbox([waiting("on its way")], []);
		flushSync();
		expect(rows().map((row) => row.dataset.state)).toEqual(["stored", "waiting"]);
		expect(rows()[1]?.textContent).toContain("on its way");

		show([message(1), message(2, { author: ME, key: "key of on its way", body: "on its way" })]);
		chat.outbox([], []);
		flushSync();

		expect(rows().filter((row) => row.textContent?.includes("on its way"))).toHaveLength(1);
		expect(rows()[1]?.dataset.state).toBe("stored");
	});

	it("says why a message was refused, and lets one send it again or drop it", async () => {
		const { chat, rows } = await list([message(1)]);
		const failed = { code: "muted" as const, message: "" };
		const retry = vi.spyOn(chat, "retry").mockImplementation(() => {});

		chat.outbox([waiting("not taken", { failed })], []);
		flushSync();

		const row = rows()[1] as HTMLElement;
		expect(byTestId(row, "discard")).toBeTruthy();
		byTestId(row, "retry").click();
		expect(retry).toHaveBeenCalledExactlyOnceWith("not taken");
	});

	it("draws only what changed when a message comes or is edited", async () => {
		const items = upTo(11);
		const { rows, show } = await list(items.slice(0, 10));
		const body = (row: HTMLElement) => byTestId(row, "message-body").firstElementChild;
		const [before, bodies] = [rows(), rows().map(body)];

		items[4] = message(5, { body: "edited", editedAt: message(5).at, asOf: 60 });
		show(items);

		expect(rows().slice(0, 10)).toEqual(before);
		expect(rows()).toHaveLength(11);
		expect(rows()[4]?.textContent).toContain("edited");
		const same = rows().map((row, at) => body(row) === bodies[at]);
		expect(same.filter(Boolean)).toHaveLength(9);
		expect(same[4]).toBe(false);
	});

	it("has a bounded number of rows at the end of a long room, whatever comes", async () => {
		const items = upTo(2_020);
		const { rows, show } = await list(items.slice(0, 2_000));
		expect(rows().length).toBeLessThanOrEqual(100);

		for (let count = 2_005; count <= 2_020; count += 5) show(items.slice(0, count));

		expect(rows().length).toBeLessThanOrEqual(160);
		expect(rows().at(-1)?.textContent).toContain("text 2020");
	});

	it("takes in by slices what comes at once, and says of nothing before it is there that it was read", async () => {
		const { chat, rows, show } = await list(upTo(10));
		vi.spyOn(document, "hasFocus").mockReturnValue(true);
		const read = vi.spyOn(chat, "markRead").mockImplementation(() => {});

		show(upTo(30));
		expect(rows().length).toBeLessThan(30);

		await vi.waitFor(() => expect(read).toHaveBeenLastCalledWith(ROOM, 30, 30), { timeout: 20_000 });
		expect(rows().map((row) => Number(row.dataset.seq))).toEqual(upTo(30).map(({ seq }) => seq));
		expect(read.mock.calls[0]?.[1]).toBeLessThan(30);
	});

	it("shows the newest at once when very much comes, and then what stands above them", async () => {
		const { rows, show } = await list(upTo(10));

		show(upTo(200));
		expect(rows().at(-1)?.textContent).toContain("text 200");
		expect(rows().length).toBeLessThan(50);

		await vi.waitFor(() => expect(rows()).toHaveLength(100), { timeout: 20_000 });
		expect(rows()[0]?.textContent).toContain("text 101");
	});

	it("offers each what they may do with a message", async () => {
		const items = [message(1), message(2, { author: ME })];
		const has = (row: HTMLElement | undefined) =>
			["react", "reply", "edit", "delete"].filter((id) => row?.querySelector(`[data-testid=${id}]`));

		const { rows } = await list(items);
		expect(has(rows()[0])).toEqual(["react", "reply"]);
		expect(has(rows()[1])).toEqual(["react", "reply", "edit", "delete"]);
		expect(rows()[1]?.querySelectorAll(".actions svg")).toHaveLength(6);

		const { rows: readOnly } = await list(items, { canWrite: false });
		expect(has(readOnly()[1])).toEqual([]);

		const { rows: moderated } = await list(items, { canModerate: true });
		byTestId(moderated()[0] as HTMLElement, "more").click();
		expect(ui.menu?.items.map((item) => item.name)).toContain("message.delete");
	});

	it("leads into an answer and an edit by the buttons of a row", async () => {
		const { chat, rows } = await list([message(1), message(2, { author: ME })]);

		byTestId(rows()[0] as HTMLElement, "reply").click();
		expect(chat.composing.in(ROOM).replying?.seq).toBe(1);

		byTestId(rows()[1] as HTMLElement, "edit").click();
		expect(chat.composing.in(ROOM).editing?.seq).toBe(2);
	});

	it("shows that a message was deleted, by whom it was, and nothing of its text", async () => {
		const { rows } = await list([
			message(1, { deleted: true, body: "" }),
			message(2, { deleted: true, removed: true, body: "" }),
		]);

		const [own, removed] = rows().map((row) => row.querySelector(".gone")?.textContent);
		expect(own).toBeTruthy();
		expect(removed).toBeTruthy();
		expect(own).not.toBe(removed);
	});

	it("has one message that Tab stops at, the newest at first", async () => {
		const { rows } = await list(upTo(5));

		expect(rows().map((row) => row.tabIndex)).toEqual([-1, -1, -1, -1, 0]);
	});
});
