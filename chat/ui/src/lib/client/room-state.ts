/**
 * What the page knows of one room: a pure function of what the server said.
 *
 * Each function takes a state and returns a new one; unchanged parts stay the same objects, so that the page
 * redraws only what changed. `history.ts` holds the rules for one range of messages.
 */

import type { Marker, Message, Role, RoomEvent, RoomInfo, RoomKind, UserInfo } from "./frames";
import {
	addOlder,
	append,
	emptySegment,
	findMessage,
	fromMessage,
	type Item,
	type MessageItem,
	mutate,
	mutates,
	type PageOfMessages,
	type Segment,
} from "./history";
import { meansMe, mentionsIn } from "./mentions";

export interface RoomState {
	id: number;
	slug: string;
	name: string;
	topic: string;
	kind: RoomKind;
	archived: boolean;
	role: Role;
	peer: UserInfo | null;
	epoch: number;
	/** How long members wait between two messages, in seconds; 0 without slow mode. */
	slowModeSeconds: number;
	/** Until when the reader may not write here; null, or in the past, when they may. */
	mutedUntil: string | null;
	/** The server accepts no message from the reader before this moment, in ms by this computer's clock. */
	heldUntil: number;
	/** Position up to which every event has been applied. */
	last: number;
	/** Number of messages posted up to `last`. */
	n: number;
	/** Everything up to here is in the database. */
	stored: number;
	/** The reader's own marker: position and number of messages up to it. */
	read: number;
	readN: number;
	/** Messages after `read` that are not unread: the reader's own, and deleted ones by others. */
	own: readonly number[];
	deleted: readonly number[];
	/** Messages of others after `read` that mention the reader, a group of theirs or everybody. */
	mentions: readonly number[];
	/** When the reader last set the marker by hand, in ms; 0: never. Of two markers, the one set later holds. */
	setAtMs: number;
	/** When the latest message was posted, if one is known. */
	latestAt: string | null;
	/** Messages up to the newest, once the room was opened. */
	tail: Segment | null;
	/** A part of the past that the reader jumped to and that does not reach `tail` yet. */
	island: Segment | null;
	/** Later changes to messages, for pages that are older than the changes. */
	mutations: RoomEvent[];
	/** All mutations after this position are in `mutations`. */
	mutationsSince: number;
}

const MOST_MUTATIONS = 2_000;
/** The limit of `own` and of `deleted`; beyond it their older half is counted as read. */
const MOST_NOT_NEWS = 2_000;
/** The limit of `mentions`, as the server's: nobody counts further. */
export const MOST_MENTIONS = 100;

export function fromInfo(info: RoomInfo): RoomState {
	return {
		...described(info),
		id: info.id,
		epoch: info.epoch,
		last: info.head,
		n: info.n,
		stored: info.stored,
		...markerOf(info),
		latestAt: null,
		heldUntil: 0,
		tail: null,
		island: null,
		mutations: [],
		mutationsSince: info.head,
	};
}

function markerOf(info: Omit<Marker, "room">) {
	const own = info.own_after ?? [];
	const deleted = info.deleted_after ?? [];
	const mentions = info.mentions ?? [];
	// `read_n` includes them; here they are counted one by one.
	const readN = info.read_n - own.length - deleted.length;
	return { read: info.read, readN, own, deleted, mentions, setAtMs: info.set_at_ms ?? 0 };
}

/** Whether a marker holds against another: it was set by hand later, or it is the same one, further on. */
function isLater(one: { setAtMs: number; read: number }, than: { setAtMs: number; read: number }): boolean {
	return one.setAtMs === than.setAtMs ? one.read > than.read : one.setAtMs > than.setAtMs;
}

/**
 * Takes in a room description from a later connection. The position stays: the events in between are still to come.
 * A room of another epoch, or one never opened, starts again at the server's head.
 */
export function reconnected(state: RoomState, info: RoomInfo): RoomState {
	if (state.epoch !== info.epoch || state.last > info.head) return fromInfo(info);
	const fresh = fromInfo(info);
	if (state.tail === null)
		return state.setAtMs > fresh.setAtMs
			? { ...fresh, ...withMarkerOf(state, info) }
			: withRead(fresh, state.read, state.readN, state.setAtMs);
	return {
		...state,
		...described(info),
		stored: Math.max(state.stored, info.stored),
		...withMarkerOf(state, info),
	};
}

/** The later marker, and the messages after it that either side knows not to be unread. */
function withMarkerOf(state: RoomState, info: Omit<Marker, "room">) {
	const told = markerOf(info);
	const { read, readN, setAtMs } = isLater(state, told) ? state : told;
	const after = (seqs: readonly number[]) => [...new Set(seqs)].filter((seq) => seq > read);
	return {
		read,
		readN,
		setAtMs,
		own: after([...state.own, ...told.own]),
		deleted: after([...state.deleted, ...told.deleted]),
		mentions: after([...state.mentions, ...told.mentions]),
	};
}

/** The server's view of a room whose log was lost: only the server knows how much there is and was read now. */
export function recounted(state: RoomState, info: RoomInfo): RoomState {
	if (state.epoch !== info.epoch) return state;
	const marker = withMarkerOf(state, info);
	return {
		...state,
		n: state.last === info.head ? info.n : state.n,
		...marker,
		// Of a marker on a lost event, the page knows only the position.
		readN: marker.read === info.read ? markerOf(info).readN : Math.min(marker.readN, info.n),
	};
}

function described(info: RoomInfo) {
	const { slug, name, topic, kind, archived, role } = info;
	return {
		slug,
		name,
		topic,
		kind,
		archived,
		role,
		peer: info.peer ?? null,
		slowModeSeconds: info.slow_mode_seconds ?? 0,
		mutedUntil: info.muted_until ?? null,
	};
}

/** All messages posted after the reader's marker. */
export function postedSinceRead(state: RoomState): number {
	return Math.max(0, state.n - state.readN);
}

/** How many messages are unread. */
export function unread(state: RoomState): number {
	// The server has announced what is beyond `last` before sending its events.
	const among = (seqs: readonly number[]) =>
		seqs.filter((seq) => seq > state.read && seq <= state.last).length;
	const posted = postedSinceRead(state);
	return posted === 0 ? 0 : Math.max(0, posted - among(state.own) - among(state.deleted));
}

export function withStored(state: RoomState, stored: number): RoomState {
	return stored > state.stored ? { ...state, stored } : state;
}

/** Reading on moves the marker forward. */
export function withRead(state: RoomState, read: number, readN: number, setAtMs = state.setAtMs): RoomState {
	if (!isLater({ setAtMs, read }, state)) return state;
	const after = (seqs: readonly number[]) => (seqs.length > 0 ? seqs.filter((seq) => seq > read) : seqs);
	return {
		...state,
		read,
		readN: setAtMs > state.setAtMs ? readN : Math.max(readN, state.readN),
		setAtMs,
		own: after(state.own),
		deleted: after(state.deleted),
		mentions: after(state.mentions),
	};
}

/** The server's view of a marker that was set by hand. */
export function withMarker(state: RoomState, marker: Marker): RoomState {
	return isLater(state, markerOf(marker)) ? state : { ...state, ...withMarkerOf(state, marker) };
}

/** The marker as other tabs are told of it. */
export function toldMarker(state: RoomState): Marker {
	const { id, read, readN, own, deleted, mentions, setAtMs } = state;
	return {
		room: id,
		read,
		read_n: readN + own.length + deleted.length,
		own_after: [...own],
		deleted_after: [...deleted],
		mentions: [...mentions],
		set_at_ms: setAtMs,
	};
}

/**
 * The reader sets the marker: everything after `seq` is unread. Until the server has counted, the number is as good
 * as the messages that are loaded; `me` is the reader.
 */
export function setByHand(state: RoomState, seq: number, setAtMs: number, me: number | null): RoomState {
	if (!isLater({ setAtMs, read: seq }, state)) return state;
	if (seq >= state.last)
		return { ...state, read: seq, readN: state.n, own: [], deleted: [], mentions: [], setAtMs };
	const loaded = [...(state.island?.items ?? []), ...(state.tail?.items ?? [])];
	const after = loaded.filter((item) => item.kind === "message" && item.seq > seq) as MessageItem[];
	const first = after.reduce<MessageItem | null>((a, b) => (a && a.seq < b.seq ? a : b), null);
	const more = (seqs: readonly number[], which: (item: MessageItem) => boolean) => [
		...new Set([...seqs.filter((one) => one > seq), ...after.filter(which).map((item) => item.seq)]),
	];
	return {
		...state,
		read: seq,
		readN: first ? first.n - 1 : Math.min(state.readN, state.n),
		own: more(state.own, (item) => item.author === me),
		deleted: more(state.deleted, (item) => item.deleted && item.author !== me),
		mentions: more(state.mentions, (item) => item.author !== me && meansMe(item.mentions, me)),
		setAtMs,
	};
}

/** How many unread messages mention the reader, a group of theirs or everybody. */
export function unreadMentions(state: RoomState): number {
	return state.mentions.filter((seq) => seq > state.read && seq <= state.last && !state.deleted.includes(seq))
		.length;
}

/** Notes an event by which a message mentions the reader, or no longer does. */
function withMention(state: RoomState, event: RoomEvent, me: number | null): RoomState {
	const edited = event.type === "message.edited";
	if ((event.type !== "message.posted" && !edited) || event.actor === me || event.redacted) return state;
	const seq = edited ? Number(event.data.target) : event.seq;
	if (seq <= state.read) return state;
	const means = meansMe(mentionsIn(event.data), me);
	if (means === state.mentions.includes(seq)) return state;
	if (!means) return { ...state, mentions: state.mentions.filter((one) => one !== seq) };
	// An edited reply that only its thread shows is not the room's.
	if (edited && !isShown(state, seq)) return state;
	return { ...state, mentions: [...state.mentions, seq].slice(-MOST_MENTIONS) };
}

function isShown(state: RoomState, seq: number): boolean {
	return findMessage(state.tail, seq) !== undefined || findMessage(state.island, seq) !== undefined;
}

/** Notes an event that makes a message read or unread. */
function withNoNews(state: RoomState, event: RoomEvent, me: number | null): RoomState {
	const { own, deleted } = state;
	if (event.type === "message.posted") {
		if (event.actor !== me || event.seq <= state.read || own.includes(event.seq)) return state;
		return shortened({ ...state, own: [...own, event.seq] });
	}
	const target = Number(event.data.target);
	if (event.type === "message.deleted") {
		if (target <= state.read || own.includes(target) || deleted.includes(target)) return state;
		if (event.data.in_room === false) return state; // only its thread showed it: it never counted
		return shortened({ ...state, deleted: [...deleted, target] });
	}
	if (event.type !== "message.restored" || !deleted.includes(target)) return state;
	// A message that its author deleted cannot be restored.
	const message = findMessage(state.tail, target);
	if (message?.deleted && !message.removed) return state;
	return { ...state, deleted: deleted.filter((seq) => seq !== target) };
}

function shortened(state: RoomState): RoomState {
	const short = (seqs: readonly number[]) =>
		seqs.length > MOST_NOT_NEWS ? [...seqs].sort((a, b) => a - b).slice(-MOST_NOT_NEWS / 2) : seqs;
	const own = short(state.own);
	const deleted = short(state.deleted);
	const gone = state.own.length - own.length + state.deleted.length - deleted.length;
	return gone > 0 ? { ...state, own, deleted, readN: state.readN + gone } : state;
}

/** The room is open: from now on its messages are kept, and older ones are loaded. */
export function opened(state: RoomState): RoomState {
	return state.tail ? state : { ...state, tail: emptySegment(state.last), mutationsSince: state.last };
}

/** The log was lost behind `head`: what was known of the messages is void. */
export function reset(state: RoomState, epoch: number, head: number): RoomState {
	return {
		...state,
		epoch,
		last: head,
		stored: Math.min(state.stored, head),
		// Events that take the places of lost ones that were read have not been read.
		read: Math.min(state.read, head),
		own: state.own.filter((seq) => seq <= head),
		deleted: state.deleted.filter((seq) => seq <= head),
		mentions: state.mentions.filter((seq) => seq <= head),
		tail: null,
		island: null,
		mutations: [],
		mutationsSince: head,
	};
}

/** Applies events that follow `state.last` without a gap (see `Sequence`); `me` is the reader. */
export function applyEvents(state: RoomState, events: RoomEvent[], me: number | null = null): RoomState {
	if (events.length === 0) return state;
	let next = { ...state };
	const changes: RoomEvent[] = [];
	for (const event of events) {
		next.last = event.seq;
		next.n = event.n;
		if (event.type === "message.posted") next.latestAt = event.at;
		next = withNoNews(withMention(next, event, me), event, me);
		if (mutates(event)) changes.push(event);
		else next = describedBy(next, event);
	}
	if (!next.tail) return next;

	next.tail = append(next.tail, events);
	for (const change of changes) {
		next.tail = mutate(next.tail, change);
		if (next.island) next.island = mutate(next.island, change);
	}
	if (changes.length > 0) {
		const all = [...next.mutations, ...changes];
		const cut = Math.max(0, all.length - MOST_MUTATIONS);
		next.mutations = all.slice(cut);
		if (cut > 0) next.mutationsSince = all[cut - 1]?.seq ?? next.mutationsSince;
	}
	return next;
}

function describedBy(state: RoomState, event: RoomEvent): RoomState {
	const data = event.data as {
		name?: string | null;
		topic?: string | null;
		slow_mode_seconds?: number | null;
		archived?: boolean;
	};
	if (event.type === "room.updated") {
		const slowModeSeconds = data.slow_mode_seconds ?? state.slowModeSeconds;
		return {
			...state,
			name: data.name ?? state.name,
			topic: data.topic ?? state.topic,
			slowModeSeconds,
			heldUntil: slowModeSeconds === 0 ? 0 : state.heldUntil,
		};
	}
	if (event.type === "room.archived") return { ...state, archived: data.archived ?? true };
	return state;
}

/** Applies what an event changes about the reader in the room: role, mute. */
export function withStanding(state: RoomState, event: RoomEvent, me: number): RoomState {
	const data = event.data as { user?: number; role?: Role; until?: string; everywhere?: boolean };
	if (data.user !== me) return state;
	switch (event.type) {
		case "member.joined":
			return { ...state, role: data.role ?? state.role };
		case "member.muted": {
			const until = data.until ?? event.at;
			// A mute in all rooms does not shorten one of this room.
			const longer = data.everywhere && Date.parse(state.mutedUntil ?? "") > Date.parse(until);
			return { ...state, mutedUntil: longer ? state.mutedUntil : until };
		}
		case "member.unmuted":
			return { ...state, mutedUntil: null };
		default:
			return state;
	}
}

/**
 * Adds a page of older messages to the range that ends before `before`.
 *
 * `later` holds the room's events from the page's position to `mutationsSince`, if there are any.
 */
export function withOlder(
	state: RoomState,
	where: "tail" | "island",
	page: PageOfMessages,
	later: RoomEvent[] = [],
): RoomState {
	const segment = state[where];
	if (!segment) return state;
	const grown = catchUp(addOlder(segment, page, later), state, page.upto, later);
	return { ...state, [where]: grown };
}

/** A part of the past up to `before`; it becomes the island, or nothing if the tail covers it. */
export function withIsland(
	state: RoomState,
	pages: PageOfMessages[],
	before: number,
	later: RoomEvent[] = [],
): RoomState {
	return joined({ ...state, island: stretch(state, pages, before - 1, later) });
}

/** Adds the messages between the island's end and `to` (inclusive), all of which are in `pages`. */
export function withNewer(
	state: RoomState,
	pages: PageOfMessages[],
	to: number,
	later: RoomEvent[] = [],
): RoomState {
	if (!state.island) return state;
	const end = state.island.to;
	const added = stretch(state, pages, to, later).items.filter((item) => item.seq > end);
	return joined({ ...state, island: { ...state.island, items: [...state.island.items, ...added], to } });
}

/** The content of `pages` up to `to`; the newest page comes first, and each ends where the previous one begins. */
function stretch(state: RoomState, pages: PageOfMessages[], to: number, later: RoomEvent[]): Segment {
	const segment = pages.reduce((grown, page) => addOlder(grown, page, later), emptySegment(to));
	return catchUp(segment, state, Math.min(...pages.map((page) => page.upto)), later);
}

export function leftIsland(state: RoomState): RoomState {
	return state.island ? { ...state, island: null } : state;
}

/** Replaces one message by the server's present view of it. */
export function withMessage(state: RoomState, message: Message, upto: number): RoomState {
	const put = (segment: Segment | null): Segment | null =>
		segment && {
			...segment,
			items: segment.items.map((item) =>
				item.kind === "message" && item.seq === message.seq && item.asOf <= upto
					? { ...item, ...fromMessage(message, upto) }
					: item,
			) as Item[],
		};
	return { ...state, tail: put(state.tail), island: put(state.island) };
}

/** Drops all but the newest messages of a room that is not open. */
export function trimmed(state: RoomState, keep: number): RoomState {
	const { tail } = state;
	if (!tail || tail.items.length <= keep) return leftIsland(state);
	const items = tail.items.slice(-keep);
	return {
		...state,
		island: null,
		tail: { ...tail, items, from: items[0]?.seq ?? tail.from, complete: false },
	};
}

function catchUp(segment: Segment, state: RoomState, upto: number, later: RoomEvent[]): Segment {
	let result = segment;
	for (const change of [...later.filter(mutates), ...state.mutations])
		if (change.seq > upto) result = mutate(result, change);
	return result;
}

/** When the island has grown into the tail, the two become one. */
function joined(state: RoomState): RoomState {
	const { island, tail } = state;
	if (!island || !tail || island.to + 1 < tail.from) return state;
	if (island.from >= tail.from) return { ...state, island: null };
	const items = [...island.items.filter((item) => item.seq < tail.from), ...tail.items];
	return { ...state, island: null, tail: { ...tail, items, from: island.from, complete: island.complete } };
}
