// @vitest-environment jsdom
import { flushSync } from "svelte";
import { beforeEach, describe, expect, it, vi } from "vitest";
import Composer from "../src/components/Composer.svelte";
import type { RoomState } from "../src/lib/client/room-state";
import type { Chat } from "../src/lib/state/chat.svelte";
import { formatBar } from "../src/lib/state/format-bar.svelte";
import { byTestId, makeChat, press, room, settled, show } from "./component-world";
import { ME, message, ROOM } from "./examples";

beforeEach(() => {
	formatBar.shown = true;
});

function composer(chat: Chat = makeChat(), state: RoomState = room()) {
	const said = vi.fn();
	const say = vi.spyOn(chat, "say").mockResolvedValue();
	const lastOwn = () => message(7, { author: ME, body: "helo" });
	chat.rooms.set(ROOM, state);
	const root = show(Composer, chat, { room: state, lastOwn, said });
	const box = byTestId(root, "composer") as HTMLTextAreaElement;
	const type = (text: string) => {
		box.value = text;
		box.dispatchEvent(new InputEvent("input", { bubbles: true }));
		flushSync();
	};
	return { chat, root, box, type, say, said };
}

/** At least so many completions are shown. */
async function loaded(root: HTMLElement, least: number): Promise<void> {
	await vi.waitFor(() => {
		flushSync();
		expect(byTestId(root, "completions").childElementCount).toBeGreaterThanOrEqual(least);
	});
}

describe("the composer", () => {
	it("sends by Enter what was typed, and is empty for the next", async () => {
		const { box, type, say, said } = composer();
		type("  hello ");

		press(box, "Enter");
		await settled();

		expect(say).toHaveBeenCalledExactlyOnceWith({ t: "send", room: ROOM, body: "hello", reply_to: null });
		expect(box.value).toBe("");
		expect(said).toHaveBeenCalledOnce();
	});

	it("writes a new line with Shift, and sends nothing while an input method composes", async () => {
		const { box, type, say } = composer();
		type("hello");

		press(box, "Enter", { shiftKey: true });
		press(box, "Enter", { isComposing: true });
		await settled();

		expect(say).not.toHaveBeenCalled();
		expect(box.value).toBe("hello");
	});

	it("keeps the text until the outbox has it, and for good when it refuses", async () => {
		const { box, type, say } = composer();
		let refuse: (reason: Error) => void = () => {};
		say.mockReturnValueOnce(new Promise((_, reject) => (refuse = reject)));
		type("do not lose me");

		press(box, "Enter");
		await settled();
		expect(box.value).toBe("do not lose me");
		refuse(new Error("no room on the disk"));
		await settled();

		expect(box.value).toBe("do not lose me");
	});

	it("sends each text as it was at its Enter, also those written while one is on its way", async () => {
		const { box, type, say } = composer();
		let take: () => void = () => {};
		say.mockReturnValueOnce(new Promise((resolve) => (take = resolve)));
		const bodies = () => say.mock.calls.map(([intent]) => (intent as { body: string }).body);

		type("one");
		press(box, "Enter");
		press(box, "Enter"); // once more, as it still stands there
		type("one, two"); // behind it
		press(box, "Enter");
		type("three"); // in its place
		press(box, "Enter");
		type("not yet");
		await settled();
		expect(bodies()).toEqual(["one"]);
		take();
		await settled();

		expect(bodies()).toEqual(["one", ", two", "three"]);
		expect(box.value).toBe("not yet");
	});

	it("gives back what the outbox refuses when something else was written in its place", async () => {
		const { box, type, say } = composer();
		let refuse: (reason: Error) => void = () => {};
		say.mockReturnValueOnce(new Promise((_, reject) => (refuse = reject)));
		type("one");
		press(box, "Enter");
		type("two");

		refuse(new Error("no room on the disk"));
		await settled();

		expect(box.value).toBe("one\ntwo");
	});

	it("goes on with an edit that was changed while it was saved, and saves it once otherwise", async () => {
		const { box, type, say, chat } = composer();
		let take: () => void = () => {};
		say.mockReturnValue(new Promise((resolve) => (take = resolve)));
		press(box, "ArrowUp");
		await settled();
		type("hello");
		press(box, "Enter");
		press(box, "Enter");
		type("hello, all");
		take();
		await settled();

		expect(say).toHaveBeenCalledOnce();
		expect(chat.composing.in(ROOM).editing).not.toBeNull();
		expect(box.value).toBe("hello, all");
	});

	it("has nothing to send in spaces, nor in what is too long", () => {
		const { root, type } = composer();
		const button = byTestId(root, "send") as HTMLButtonElement;

		type("   ");
		expect(button.disabled).toBe(true);
		type("x".repeat(8_001));
		expect(button.disabled).toBe(true);
		expect(byTestId(root, "characters-left").textContent).toContain("1");
		type("x".repeat(8_000));
		expect(button.disabled).toBe(false);
	});

	it("edits the last message of one's own by arrow, and gives the draft back after Escape", async () => {
		const { box, type, say, chat } = composer();
		press(box, "ArrowUp");
		await settled();
		expect(box.value).toBe("helo");
		type("hello");

		press(box, "Enter");
		await settled();

		expect(say).toHaveBeenCalledExactlyOnceWith({ t: "edit", room: ROOM, target: 7, body: "hello" });
		expect(box.value).toBe("");
		type("a draft");
		chat.composing.in(ROOM).edit(message(7, { author: ME }));
		await settled();
		expect(box.value).toBe("text 7");
		press(box, "Escape");
		expect(box.value).toBe("a draft");
	});

	it("leaves the arrow to a text that is being written", () => {
		const { box, type, chat } = composer();
		type("one\ntwo");

		press(box, "ArrowUp");

		expect(chat.composing.in(ROOM).editing).toBeNull();
		expect(box.value).toBe("one\ntwo");
	});

	it("answers a message, says whose it is, and no more after Escape", async () => {
		const { root, box, type, say, chat } = composer();
		chat.composing.in(ROOM).reply(message(3, { body: "who comes?" }));
		await settled();
		expect(root.textContent).toContain("Boris");
		expect(root.textContent).toContain("who comes?");
		type("I do");

		press(box, "Enter");
		await settled();
		expect(say).toHaveBeenLastCalledWith({ t: "send", room: ROOM, body: "I do", reply_to: 3 });

		chat.composing.in(ROOM).reply(message(4));
		flushSync();
		press(box, "Escape");
		type("not to you");
		press(box, "Enter");
		await settled();
		expect(say).toHaveBeenLastCalledWith({ t: "send", room: ROOM, body: "not to you", reply_to: null });
	});

	it("formats what is selected by key or button, whatever the keyboard's letters are", () => {
		const { root, box, type } = composer();
		type("some words");
		box.setSelectionRange(5, 10);

		press(box, "b", { ctrlKey: true });
		expect(box.value).toBe("some **words**");
		press(box, "и", { code: "KeyB", metaKey: true });
		expect(box.value).toBe("some words");
		byTestId(root, "format-code").click();
		flushSync();

		expect(box.value).toBe("some `words`");
		expect(box.value.slice(box.selectionStart, box.selectionEnd)).toBe("words");
		press(box, "*", { code: "Digit8", ctrlKey: true, shiftKey: true });
		expect(box.value).toBe("- some `words`");
	});

	it("goes on with a list on a new line", () => {
		const { box, type } = composer();
		type("- one");
		box.setSelectionRange(5, 5);

		press(box, "Enter", { shiftKey: true });

		expect(box.value).toBe("- one\n- ");
	});

	it("shows a preview beside the text, until the text is sent", async () => {
		const { root, box, type, say } = composer();
		press(box, "p", { altKey: true });
		type("**loud**");

		expect(byTestId(root, "preview").querySelector("strong")?.textContent).toBe("loud");
		expect(byTestId(root, "preview-toggle").ariaPressed).toBe("true");
		press(box, "Enter");
		await settled();

		expect(say).toHaveBeenCalledOnce();
		expect(root.querySelector("[data-testid=preview]")).toBeNull();
	});

	it("keeps the buttons hidden for whoever hid them", () => {
		const { root } = composer();
		expect(byTestId(root, "format-bar").getAttribute("role")).toBe("toolbar");

		byTestId(root, "format-toggle").click();
		flushSync();

		expect(root.querySelector("[data-testid=format-bar]")).toBeNull();
		expect(localStorage.getItem("veche:format-bar")).toBe("false");
	});

	it("completes the name of an emoji, chosen by arrows and Enter, and sends nothing by it", async () => {
		const { root, box, type, say } = composer();
		type("well :tad");
		await loaded(root, 1);

		press(box, "ArrowDown");
		press(box, "ArrowUp");
		expect(byTestId(root, "completions").querySelector("[aria-selected=true]")?.textContent).toBe("🎉:tada:");
		expect(box.getAttribute("aria-activedescendant")).toBe("completion-0");
		press(box, "Enter");

		expect(box.value).toBe("well 🎉 ");
		expect(say).not.toHaveBeenCalled();
		type("again :ta");
		await loaded(root, 2);
		expect(byTestId(root, "completions").querySelector("li")?.textContent).toBe("🎉:tada:");
	});

	it("replaces a whole name, and leaves the names alone that Escape refused", async () => {
		const { root, box, type, chat } = composer();
		chat.composing.in(ROOM).reply(message(3));
		type(":rocket:");
		await vi.waitFor(() => expect(box.value).toBe("🚀"));

		type("🚀 :smi");
		await loaded(root, 2);
		press(box, "Escape");
		type("🚀 :smil");
		await settled();

		expect(root.querySelector("[data-testid=completions]")).toBeNull();
		expect(chat.composing.in(ROOM).replying).not.toBeNull();
		expect(box.value).toBe("🚀 :smil");
	});

	it("has the draft again when one comes back to the page", () => {
		const { type } = composer();
		type("unfinished");

		const { box } = composer(makeChat());

		expect(box.value).toBe("unfinished");
	});

	it("says how slow the room is, to those for whom it is", () => {
		const slow = { slow_mode_seconds: 30 };

		const { root } = composer(makeChat(), room(slow));
		expect(byTestId(root, "slow-mode-line").textContent).toContain("30");

		const { root: owners } = composer(makeChat(), room({ ...slow, role: "owner" }));
		expect(owners.querySelector("[data-testid=slow-mode-line]")).toBeNull();
	});
});
