import { beforeEach, expect, test } from "vitest";
import type { MessageItem } from "../src/lib/client/history";
import { Composings } from "../src/lib/state/composing.svelte";
import { Drafts } from "../src/lib/state/drafts";

const drafts = new Drafts(7);
beforeEach(() => localStorage.clear());

function message(seq: number, body: string): MessageItem {
	return {
		kind: "message",
		seq,
		n: seq,
		author: 7,
		key: null,
		at: "2026-07-01T10:00:00Z",
		body,
		replyTo: null,
		editedAt: null,
		deleted: false,
		removed: false,
		absent: false,
		reactions: {},
		counts: {},
		asOf: 0,
	};
}

function type(composing: { text: string; typed: () => void }, text: string): void {
	composing.text = text;
	composing.typed();
}

test("an edit and a reply are as they were when one comes back into the room", () => {
	const rooms = new Composings(drafts);
	rooms.in(1).edit(message(3, "helo"));
	type(rooms.in(1), "hello");
	rooms.in(2).reply(message(9, "who comes?"));
	type(rooms.in(2), "I do");

	expect(rooms.in(1).editing?.seq).toBe(3);
	expect(rooms.in(1).text).toBe("hello");
	expect(rooms.in(2).replying?.seq).toBe(9);
	expect(rooms.in(2).text).toBe("I do");
});

test("a draft from before an edit comes back after it, and the edit is no draft", () => {
	const composing = new Composings(drafts).in(1);
	type(composing, "half a sent");

	composing.edit(message(3, "helo"));
	type(composing, "hello");
	expect(drafts.get(1)).toBe("half a sent");
	composing.cancel();

	expect(composing.text).toBe("half a sent");
	expect(composing.editing).toBeNull();
});

test("asking to edit the message that is being edited keeps what was typed", () => {
	const composing = new Composings(drafts).in(1);
	composing.edit(message(3, "helo"));
	type(composing, "hello");

	composing.edit(message(3, "helo"));

	expect(composing.text).toBe("hello");
});

test("what is typed while a message goes to the outbox stays", () => {
	const composing = new Composings(drafts).in(1);
	const reply = message(2, "who comes?");
	composing.reply(reply);
	type(composing, "I do");
	type(composing, "I do, and Boris");

	composing.sent("I do", reply);

	expect(composing.text).toBe(", and Boris");
	expect(drafts.get(1)).toBe(", and Boris");
	expect(composing.replying).toBeNull();
});

test("a message that goes to the outbox while another is being edited leaves the edit alone", () => {
	const composing = new Composings(drafts).in(1);
	type(composing, "I do");
	composing.edit(message(3, "helo"));

	composing.sent("I do", null);

	expect(composing.text).toBe("helo");
	composing.cancel();
	expect(composing.text).toBe("");
});
