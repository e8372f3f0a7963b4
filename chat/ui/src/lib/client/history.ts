/** One contiguous range of a room: its messages and the events shown between them, in seq order. */

import type { Mentions, Message, Page, RoomEvent, ThreadSummary } from "./frames";
import { mentionsIn } from "./mentions";

export interface MessageItem {
	kind: "message";
	seq: number;
	n: number;
	author: number | null;
	key: string | null;
	at: string;
	body: string;
	replyTo: number | null;
	/** The root of the thread that it is a reply in. */
	thread: number | null;
	/** What is known of the replies to it. */
	replies: ThreadSummary | null;
	/** What the names in its text mean. */
	mentions: Mentions | null;
	editedAt: string | null;
	deleted: boolean;
	/** Deleted by somebody other than its author. */
	removed: boolean;
	/** Its text is not here yet: it was restored, or a later event has its current text. */
	absent: boolean;
	/** For each emoji, some of the people who have used it, including the reader if they have. */
	reactions: Record<string, number[]>;
	/** How many people have used each emoji. */
	counts: Record<string, number>;
	/** Edits, deletion and reactions up to this position are included. */
	asOf: number;
}

/** Something that happened in the room other than a message. */
export interface SystemItem {
	kind: "system";
	seq: number;
	/** Messages posted up to here. */
	n: number;
	at: string;
	type: string;
	actor: number | null;
	data: Record<string, unknown>;
}

export type Item = MessageItem | SystemItem;

export interface Segment {
	items: Item[];
	/** Every message from `from` to `to` is in `items`. */
	from: number;
	to: number;
	/** There is nothing older. */
	complete: boolean;
}

/** The placeholder of an event that could not be stored. */
export const PLACEHOLDER = "event.quarantined";

const SHOWN = new Set([
	"room.created",
	"room.updated",
	"room.archived",
	"member.joined",
	"member.left",
	"member.removed",
	"member.muted",
	"member.unmuted",
	PLACEHOLDER,
]);

const MUTATIONS = new Set([
	"message.edited",
	"message.deleted",
	"message.restored",
	"reaction.added",
	"reaction.removed",
]);

/** The root of the thread that an event posts a reply in, or whose reply it deletes or restores. */
export function threadOf(event: RoomEvent): number | null {
	const { root, thread } = event.data as { root?: number; thread?: number };
	return root ?? thread ?? null;
}

/** Whether an event changes an earlier message. */
export function mutates(event: RoomEvent): boolean {
	return MUTATIONS.has(event.type) || threadOf(event) !== null;
}

export function emptySegment(to: number): Segment {
	return { items: [], from: to + 1, to, complete: to === 0 };
}

/** The index of `seq` in `items`, or where it would be. */
export function indexOf(items: Item[], seq: number): number {
	let low = 0;
	let high = items.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((items[middle]?.seq ?? 0) < seq) low = middle + 1;
		else high = middle;
	}
	return low;
}

export function findMessage(segment: Segment | null, seq: number): MessageItem | undefined {
	const item = segment?.items[indexOf(segment.items, seq)];
	return item?.kind === "message" && item.seq === seq ? item : undefined;
}

/** Adds new events at the end; invisible ones only move `to`. */
export function append(segment: Segment, events: RoomEvent[]): Segment {
	const fresh = events.filter((event) => event.seq > segment.to);
	const last = fresh.at(-1);
	if (!last) return segment;
	const items = fresh.map(itemOf).filter((item) => item !== null);
	return { ...segment, to: last.seq, items: items.length > 0 ? [...segment.items, ...items] : segment.items };
}

/** A page of history: messages as they were at `upto`. */
export type PageOfMessages = Pick<Page, "messages" | "more" | "upto" | "events">;

/**
 * Puts a page of messages before the segment, up to which it was asked for.
 *
 * `later` holds the room's events after its `upto`, without a gap: messages posted between that and the segment
 * are taken from it. It may also contain placeholders, wherever they belong.
 */
export function addOlder(
	segment: Segment,
	{ messages, more, upto, events = [] }: PageOfMessages,
	later: RoomEvent[] = [],
): Segment {
	const older = messages.filter((message) => message.seq < segment.from);
	const oldest = messages[0]?.seq ?? Math.min(segment.from, upto + 1);
	const from = more ? Math.min(oldest, segment.from) : 1;
	const missed = later.filter(
		({ seq, type }) => seq >= from && seq < segment.from && (seq > upto || type === PLACEHOLDER),
	);
	const items = new Map<number, Item>();
	for (const event of [...events.filter(({ seq }) => seq >= from && seq < segment.from), ...missed]) {
		const item = itemOf(event);
		if (item) items.set(event.seq, item);
	}
	for (const message of older) items.set(message.seq, fromMessage(message, upto));
	return {
		...segment,
		items: [...[...items.values()].sort((a, b) => a.seq - b.seq), ...segment.items],
		from,
		complete: !more,
	};
}

/** The items of a range that say how many messages were posted up to them. */
export type Counted = Pick<Item, "seq" | "n"> & { kind?: Item["kind"]; type?: string };

/**
 * Gaps between messages in `items`, found by their numbers: the positions around each gap.
 *
 * A placeholder replaces a message that could not be stored, and has its number.
 */
export function holes(items: Counted[]): { after: number; before: number }[] {
	return items.slice(1).flatMap((next, i) => {
		const one = items[i] as Counted;
		const posted = next.kind !== "system" || (next.type === PLACEHOLDER && next.n > one.n) ? 1 : 0;
		return next.n - posted > one.n ? [{ after: one.seq, before: next.seq }] : [];
	});
}

/**
 * Applies an edit, deletion, restoration or reaction to its message, and a reply or its deletion to the root of its
 * thread, if the segment holds them.
 */
export function mutate(segment: Segment, event: RoomEvent): Segment {
	const root = threadOf(event);
	const counted = root === null ? segment : replaced(segment, root, event, withReply);
	return MUTATIONS.has(event.type) ? replaced(counted, Number(event.data.target), event, changed) : counted;
}

function replaced(
	segment: Segment,
	seq: number,
	event: RoomEvent,
	change: (item: MessageItem, event: RoomEvent) => MessageItem,
): Segment {
	const at = indexOf(segment.items, seq);
	const item = segment.items[at];
	if (item?.kind !== "message" || item.seq !== seq || item.asOf >= event.seq) return segment;
	const items = [...segment.items];
	items[at] = { ...change(item, event), asOf: event.seq };
	return { ...segment, items };
}

const MOST_NAMED_REPLIERS = 5;
const NONE: Pick<ThreadSummary, "replies" | "people" | "first_people"> = {
	replies: 0,
	people: 0,
	first_people: [],
};

/** A root after one more reply, or after the deletion or restoration of one. As the server counts. */
export function withReply(root: MessageItem, event: RoomEvent): MessageItem {
	const before = root.replies;
	if (MUTATIONS.has(event.type)) {
		const more = (event.data as { replies?: number }).replies ?? 0;
		return before ? { ...root, replies: { ...before, replies: before.replies + more } } : root;
	}
	const { replies, people, first_people: named } = before ?? NONE;
	// Beyond the named people, only the server knows who has replied before.
	const came = event.actor !== null && people === named.length && !named.includes(event.actor);
	return {
		...root,
		replies: {
			replies: replies + 1,
			people: people + (came ? 1 : 0),
			first_people:
				came && event.actor !== null && named.length < MOST_NAMED_REPLIERS ? [...named, event.actor] : named,
			last_seq: event.seq,
			last_at: event.at,
		},
	};
}

function changed(item: MessageItem, event: RoomEvent): MessageItem {
	const data = event.data as { body?: string; emoji?: string; count?: number };
	switch (event.type) {
		case "message.edited":
			if (item.deleted) return item;
			// The known text stays until the current edit comes.
			if (event.redacted) return { ...item, editedAt: event.at };
			return {
				...item,
				body: data.body ?? item.body,
				mentions: mentionsIn(event.data),
				editedAt: event.at,
				absent: false,
			};
		case "message.deleted":
			// A message that its author deleted counts as theirs, even if somebody deleted it before.
			if (item.deleted && event.actor !== item.author) return item;
			return {
				...item,
				body: "",
				mentions: null,
				deleted: true,
				absent: false,
				removed: event.actor !== item.author,
				reactions: {},
				counts: {},
			};
		case "message.restored":
			if (item.deleted && !item.removed) return item;
			return { ...item, deleted: false, removed: false, absent: true };
		default:
			if (item.deleted || event.actor === null || !data.emoji) return item;
			return reacted(item, data.emoji, event.actor, event.type === "reaction.added", data.count);
	}
}

/** How many different emoji a message shows; old messages may have more. */
const MOST_EMOJI = 50;

/** The message after somebody's reaction; `count` is how many people have the emoji then, if known. */
export function reacted(
	item: MessageItem,
	emoji: string,
	user: number,
	on: boolean,
	count?: number,
): MessageItem {
	const before = item.counts[emoji] ?? 0;
	if (before === 0 && Object.keys(item.counts).length >= MOST_EMOJI) return item;
	const named = item.reactions[emoji] ?? [];
	const was = named.includes(user);
	const people = on ? (was ? named : [...named, user]) : named.filter((other) => other !== user);
	const after = count ?? before + (on && !was ? 1 : !on && was ? -1 : 0);
	const { [emoji]: _people, ...reactions } = item.reactions;
	const { [emoji]: _count, ...counts } = item.counts;
	if (after <= 0) return { ...item, reactions, counts };
	return {
		...item,
		reactions: { ...item.reactions, [emoji]: people },
		counts: { ...item.counts, [emoji]: after },
	};
}

function countsOf(message: Message): Record<string, number> {
	if (message.reaction_counts) return message.reaction_counts;
	return Object.fromEntries(
		Object.entries(message.reactions ?? {}).map(([emoji, users]) => [emoji, users.length]),
	);
}

/** The message that an event posts: in the room, or in a thread. */
export function postedBy(event: RoomEvent): MessageItem {
	const data = event.data as { body: string; reply_to?: number | null };
	return {
		kind: "message",
		seq: event.seq,
		n: event.n,
		author: event.actor,
		key: event.key,
		at: event.at,
		body: data.body,
		replyTo: data.reply_to ?? null,
		thread: threadOf(event),
		replies: null,
		mentions: mentionsIn(event.data),
		editedAt: null,
		deleted: false,
		removed: false,
		absent: event.redacted ?? false,
		reactions: {},
		counts: {},
		asOf: event.seq,
	};
}

function itemOf(event: RoomEvent): Item | null {
	if (event.type === "message.posted") return postedBy(event);
	if (!SHOWN.has(event.type)) return null;
	const { seq, n, at, type, actor, data } = event;
	return { kind: "system", seq, n, at, type, actor, data };
}

/** A message of a page that is valid as of `upto`. */
export function fromMessage(message: Message, upto: number): MessageItem {
	return {
		kind: "message",
		seq: message.seq,
		n: message.n,
		author: message.author,
		key: message.key,
		at: message.at,
		body: message.deleted ? "" : message.body,
		replyTo: message.reply_to ?? null,
		thread: message.thread ?? null,
		replies: message.replies ?? null,
		mentions: message.mentions ?? null,
		editedAt: message.edited_at ?? null,
		deleted: message.deleted ?? false,
		removed: (message.deleted ?? false) && (message.deleted_by ?? message.author) !== message.author,
		absent: false,
		reactions: message.reactions ?? {},
		counts: countsOf(message),
		asOf: Math.max(upto, message.seq),
	};
}
