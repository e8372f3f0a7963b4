import { beforeEach, expect, test } from "vitest";
import { Composings } from "../src/lib/state/composing.svelte";
import { Drafts } from "../src/lib/state/drafts";
import { message } from "./examples";

const drafts = new Drafts(7);
beforeEach(() => localStorage.clear());

function type(composing: { text: string; typed: () => void }, text: string): void {
	composing.text = text;
	composing.typed();
}

test("an edit and a reply are as they were when one comes back into the room", () => {
	const rooms = new Composings(drafts);
	rooms.in(1).edit(message(3, { body: "helo" }));
	type(rooms.in(1), "hello");
	rooms.in(2).reply(message(9, { body: "who comes?" }));
	type(rooms.in(2), "I do");

	expect(rooms.in(1).editing?.seq).toBe(3);
	expect(rooms.in(1).text).toBe("hello");
	expect(rooms.in(2).replying?.seq).toBe(9);
	expect(rooms.in(2).text).toBe("I do");
});

test("a draft from before an edit comes back after it, and the edit is no draft", () => {
	const composing = new Composings(drafts).in(1);
	type(composing, "half a sent");

	composing.edit(message(3, { body: "helo" }));
	type(composing, "hello");
	expect(drafts.get(1)).toBe("half a sent");
	composing.cancel();

	expect(composing.text).toBe("half a sent");
	expect(composing.editing).toBeNull();
});

test("asking to edit the message that is being edited keeps what was typed", () => {
	const composing = new Composings(drafts).in(1);
	composing.edit(message(3, { body: "helo" }));
	type(composing, "hello");

	composing.edit(message(3, { body: "helo" }));

	expect(composing.text).toBe("hello");
});

test("what is typed while a message goes to the outbox stays", () => {
	const composing = new Composings(drafts).in(1);
	const reply = message(2, { body: "who comes?" });
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
	composing.edit(message(3, { body: "helo" }));

	composing.sent("I do", null);

	expect(composing.text).toBe("helo");
	composing.cancel();
	expect(composing.text).toBe("");
});
