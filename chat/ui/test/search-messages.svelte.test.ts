// @vitest-environment jsdom
import { flushSync } from "svelte";
import { expect, it, vi } from "vitest";
import SearchMessages from "../src/dialogs/SearchMessages.svelte";
import { type Found, RestError, type SearchPage } from "../src/lib/rest";
import type { Chat } from "../src/lib/state/chat.svelte";
import { byTestId, makeChat, press, room, settled, show } from "./component-world";
import { person, ROOM } from "./examples";

function found(seq: number, body: string): Found {
	return { room: ROOM, seq, author: 2, at: "2026-11-20T10:00:00Z", body, marks: ["lunch"] };
}

function page(results: Found[], cursor: string | null = null): SearchPage {
	return { found: results, more: cursor !== null, cursor };
}

function world(answer: SearchPage | Error = page([])) {
	const chat = makeChat();
	chat.rooms.set(ROOM, room());
	const search = vi.spyOn(chat.rest, "search");
	if (answer instanceof Error) search.mockRejectedValue(answer);
	else search.mockResolvedValue(answer);
	vi.spyOn(chat.rest, "findUsers").mockResolvedValue([person(2, "Boris")]);
	return { chat, search };
}

function opened(chat: Chat, query = "", within: number | null = null) {
	return show(SearchMessages, chat, { room: within, query });
}

function type(root: HTMLElement, text: string): HTMLInputElement {
	const field = byTestId(root, "search-query") as HTMLInputElement;
	field.focus();
	field.value = text;
	field.setSelectionRange(text.length, text.length);
	field.dispatchEvent(new Event("input", { bubbles: true }));
	flushSync();
	return field;
}

const all = (root: HTMLElement, id: string) => [
	...root.querySelectorAll<HTMLElement>(`[data-testid="${id}"]`),
];
const texts = (root: HTMLElement, id: string) => all(root, id).map((one) => one.textContent?.trim() ?? "");

it("offers operators, and begins one in the field", async () => {
	const { chat } = world();
	const root = opened(chat);

	byTestId(root, "search-operator").click();
	await settled();

	expect((byTestId(root, "search-query") as HTMLInputElement).value).toBe("from:");
	await vi.waitFor(() => expect(texts(root, "search-completion")[1]).toContain("Boris"));
});

it("completes a person by the keyboard, and shows the filter as a chip that can be removed", async () => {
	const { chat, search } = world();
	const root = opened(chat);
	const field = type(root, "lunch from:bor");
	await vi.waitFor(() => expect(texts(root, "search-completion")).toHaveLength(1));

	press(field, "Enter");
	await settled();

	expect(field.value).toBe("lunch from:@person00002 ");
	expect(all(root, "search-completion")).toEqual([]);
	await vi.waitFor(() =>
		expect(search).toHaveBeenLastCalledWith("lunch from:@person00002", null, "time", null),
	);
	byTestId(root, "search-chip").click();
	flushSync();
	expect(field.value).toBe("lunch");
});

it("completes rooms, values and days; Escape hides them and leaves the dialog open", async () => {
	const { chat } = world();
	const root = opened(chat);
	const field = type(root, "in:lun");
	expect(texts(root, "search-completion")).toEqual(["in:lunchLunch"]);
	type(root, "-has:");
	expect(texts(root, "search-completion").map((text) => text.split(":")[1]?.slice(0, 4))).toEqual([
		"link",
		"code",
		"reac",
	]);
	type(root, "on:to");
	expect(byTestId(root, "search-day")).toBeTruthy();

	const event = new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true });
	field.dispatchEvent(event);
	flushSync();

	expect(event.defaultPrevented).toBe(true);
	expect(all(root, "search-completion")).toEqual([]);
});

it("says which operator names nobody, but not while it is being typed", async () => {
	const refusal = new RestError(400, "bad_request", "q", "search_person", "from:nobody");
	const { chat, search } = world(refusal);
	vi.spyOn(chat.rest, "findUsers").mockResolvedValue([]);
	const root = opened(chat);

	type(root, "from:m");
	await vi.waitFor(() => expect(search).toHaveBeenCalled());
	await settled();
	expect(all(root, "search-failure")).toEqual([]);
	type(root, "from:nobody");

	await vi.waitFor(() => expect(texts(root, "search-failure")[0]).toContain("Nobody has this name."));
	expect(texts(root, "search-failure")[0]).toContain("from:nobody");
});

it("shows page after page with matches marked, and arrows lead through them", async () => {
	const { chat, search } = world(page([found(9, "some lunch"), found(8, "lunch here")], "more"));
	const root = opened(chat, "lunch");
	await vi.waitFor(() => expect(all(root, "search-result")).toHaveLength(2));
	expect(root.querySelector("mark")?.textContent).toBe("lunch");

	search.mockResolvedValue(page([found(7, "older lunch")]));
	byTestId(root, "search-more").click();
	await vi.waitFor(() => expect(all(root, "search-result")).toHaveLength(3));
	await settled();

	expect(search).toHaveBeenLastCalledWith("lunch", null, "time", "more");
	expect(document.activeElement?.getAttribute("data-seq")).toBe("7");
	press(document.activeElement as HTMLElement, "ArrowUp");
	expect(document.activeElement?.getAttribute("data-seq")).toBe("8");
	press(byTestId(root, "search-query"), "ArrowDown");
	expect(document.activeElement?.getAttribute("data-seq")).toBe("9");
});

it("asks in the order that was chosen, and in all rooms when nothing is here", async () => {
	const { chat, search } = world();
	const root = opened(chat, "lunch has:link", ROOM);
	await vi.waitFor(() => expect(search).toHaveBeenLastCalledWith("lunch has:link", ROOM, "time", null));

	byTestId(root, "search-relevant").click();
	await vi.waitFor(() => expect(search).toHaveBeenLastCalledWith("lunch has:link", ROOM, "relevance", null));
	await vi.waitFor(() => expect(all(root, "search-none")).toHaveLength(1));
	const [everywhere, unfiltered] = byTestId(root, "search-none").querySelectorAll("button");
	everywhere?.click();
	await vi.waitFor(() => expect(search).toHaveBeenLastCalledWith("lunch has:link", null, "relevance", null));
	unfiltered?.click();
	await vi.waitFor(() => expect(search).toHaveBeenLastCalledWith("lunch", null, "relevance", null));
});

it("remembers what was looked for until it is cleared, each person for themselves", async () => {
	const { chat } = world(page([found(9, "some lunch")]));
	const root = opened(chat, "lunch");
	await vi.waitFor(() => expect(all(root, "search-result")).toHaveLength(1));
	byTestId(root, "search-result").click();
	await settled();

	const again = opened(chat);
	expect(texts(again, "recent-search")).toEqual(["lunch"]);
	byTestId(again, "clear-searches").click();
	flushSync();
	expect(all(again, "recent-search")).toEqual([]);
	expect(localStorage.length).toBe(0);
});

it("opens a message of a room beyond the list", async () => {
	const { chat } = world(page([{ ...found(3, "old lunch"), room: 77 }]));
	const info = { id: 77, slug: "old", name: "Old" } as never;
	const shown = vi.spyOn(chat, "show").mockResolvedValue(info);
	const root = opened(chat, "lunch");
	await vi.waitFor(() => expect(all(root, "search-result")).toHaveLength(1));

	byTestId(root, "search-result").click();
	await settled();

	expect(shown).toHaveBeenCalledWith(77);
	expect(location.hash).toBe("#/old/3");
});

it("asks once for a text, so that nothing takes away the pages that were added", async () => {
	vi.useFakeTimers();
	const { chat, search } = world(page([found(3, "lunch")], "next"));
	const root = opened(chat, "lunch");
	await vi.runAllTimersAsync();
	search.mockResolvedValue(page([found(2, "lunch before")]));
	byTestId(root, "search-more").click();
	await vi.runAllTimersAsync();
	vi.useRealTimers();

	expect(texts(root, "search-result")).toHaveLength(2);
	expect(search).toHaveBeenCalledTimes(2);
});
