/** What messages will look like once the waiting requests have been carried out. */

import type { Logged } from "./client/chat-client";
import { type Item, type MessageItem, reacted } from "./client/history";
import { isMessage, type OutboxItem } from "./client/outbox-store";

/** The requests about existing messages of one room, by the messages' seqs. */
export function changesByTarget(items: OutboxItem[], room: number): Map<number, OutboxItem[]> {
	const changes = new Map<number, OutboxItem[]>();
	for (const item of items) {
		if (item.intent.room !== room || isMessage(item.intent) || item.failed) continue;
		const { target } = item.intent;
		changes.set(target, [...(changes.get(target) ?? []), item]);
	}
	return changes;
}

/** The message with its waiting changes applied, and whether its text is one of them. */
export function overlaid(
	message: MessageItem,
	changes: OutboxItem[] | undefined,
	me: number,
): { item: MessageItem; pending: boolean } {
	let item = message;
	let pending = false;
	for (const { intent } of changes ?? []) {
		if (intent.t === "edit") {
			item = { ...item, body: intent.body };
			pending = true;
		} else if (intent.t === "delete") {
			pending = true;
		} else if (intent.t === "react") {
			item = reacted(item, intent.emoji, me, intent.on);
		}
	}
	return { item, pending };
}

/** A message that is not in the room yet, as a row of the list. */
export function asMessage(item: OutboxItem, me: number, seq = 0): MessageItem | null {
	if (!isMessage(item.intent)) return null;
	return {
		kind: "message",
		seq,
		n: 0,
		author: me,
		key: item.key,
		at: new Date(item.createdAt).toISOString(),
		body: item.intent.body,
		replyTo: item.intent.reply_to,
		thread: item.intent.t === "reply" ? item.intent.root : null,
		replies: null,
		mentions: null,
		editedAt: null,
		deleted: false,
		removed: false,
		absent: false,
		reactions: {},
		counts: {},
		asOf: 0,
	};
}

/** How far back an unanswered message may already be in the room. */
const LOOK_BACK = 300;

/**
 * The keys of the reader's own newest messages in the room: an event may come before the acknowledgement, or without
 * it, and the message must not be shown again as waiting.
 */
export function ownKeys(items: Item[], me: number): Set<string | null> {
	const keys = new Set<string | null>();
	for (const item of items.slice(-LOOK_BACK))
		if (item.kind === "message" && item.author === me && item.key !== null) keys.add(item.key);
	return keys;
}

/** A message of the reader's that is not in the room yet. */
export interface Unsent {
	outbox: OutboxItem;
	message: MessageItem;
	delivery: "logged" | "waiting" | "failed";
}

/** Whether the message belongs below the room's others, or, if `thread` is one, below that thread's. */
function belongs({ intent }: OutboxItem, room: number, thread: number | null): boolean {
	if (intent.room !== room) return false;
	if (intent.t !== "reply") return thread === null;
	return thread === null ? intent.to_room : intent.root === thread;
}

/**
 * What follows below the `items` of the room, or of one thread: acknowledged messages by their place, then those that
 * wait, as written.
 */
export function unsentMessages(
	room: number,
	me: number,
	items: Item[],
	waiting: OutboxItem[],
	logged: Logged[],
	thread: number | null = null,
): Unsent[] {
	const arrived = ownKeys(items, me);
	const acknowledged = logged
		.filter(({ item }) => belongs(item, room, thread))
		.sort((a, b) => a.ok.seq - b.ok.seq)
		.map(({ item, ok }) => ({ outbox: item, seq: ok.seq, delivery: "logged" as const }));
	const others = waiting
		.filter((item) => belongs(item, room, thread) && (item.failed || !arrived.has(item.key)))
		.map((item) => ({ outbox: item, seq: 0, delivery: item.failed ? "failed" : "waiting" }) as const);
	return [...acknowledged, ...others].flatMap(({ outbox, seq, delivery }) => {
		const message = asMessage(outbox, me, seq);
		return message === null ? [] : [{ outbox, message, delivery }];
	});
}
