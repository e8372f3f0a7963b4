/**
 * The frames of wire protocol v1, written by `manage.py asyncapi` from the types in chat/protocol.
 *
 * Unknown frames and unknown fields are ignored, so an older page goes on with a newer server.
 */

export const SUBPROTOCOL = "veche.v1";

/** Why the server ends a connection. */
export const CLOSE = {
	/** The server is restarting; come back after the delay that `bye` named. */
	restarting: 1012,
	/** The client broke the protocol. */
	protocol_violation: 4400,
	/** No session and no valid ticket. */
	not_signed_in: 4401,
	/** Signed out elsewhere, password changed, account or token withdrawn. */
	revoked: 4403,
	/** Too much was left unconfirmed; come back and resume. */
	slow_reader: 4408,
	/** Too many connections or frames; come back later. */
	too_many: 4429,
} as const;

export interface Position {
	epoch: number;
	seq: number;
}

/** First frame of a connection. Rooms in `rooms` resume after `seq`; others start at head. */
export interface Hello {
	t: "hello";
	rooms?: Record<string, Position>;
}

export interface Send {
	t: "send";
	id: string;
	room: number;
	key: string;
	body: string;
	reply_to?: number | null;
}

/**
 * Posts in the thread of the message at `root`; with `to_room`, the room shows it too.
 *
 * `reply_to` is a message of the thread, or its root.
 */
export interface Reply {
	t: "reply";
	id: string;
	room: number;
	key: string;
	root: number;
	body: string;
	reply_to?: number | null;
	to_room?: boolean;
}

export interface Edit {
	t: "edit";
	id: string;
	room: number;
	key: string;
	target: number;
	body: string;
}

export interface Delete {
	t: "delete";
	id: string;
	room: number;
	key: string;
	target: number;
}

export interface React {
	t: "react";
	id: string;
	room: number;
	key: string;
	target: number;
	emoji: string;
	on?: boolean;
}

/** Events after a position, answered by `batch`. */
export interface Sync {
	t: "sync";
	id: string;
	room: number;
	after: number;
	limit?: number;
}

/** Messages before a position, newest page first, answered by `page`. */
export interface History {
	t: "history";
	id: string;
	room: number;
	before: number;
	limit?: number;
}

/** Replies of a thread before a position, newest page first, answered by `thread_page`. */
export interface Thread {
	t: "thread";
	id: string;
	room: number;
	root: number;
	before?: number;
	limit?: number;
}

/**
 * The person has read up to `seq`. `set_at_ms` is the marker's own, as the client knows it, and
 * absent if it knows none: what was read before a marker was set by hand does not move it.
 */
export interface Read {
	t: "read";
	room: number;
	seq: number;
	set_at_ms?: number | null;
}

/** The person has read the thread up to `seq`; `thread` tells all their devices. */
export interface ThreadRead {
	t: "thread_read";
	room: number;
	root: number;
	seq: number;
}

export interface Typing {
	t: "typing";
	room: number;
}

/** Confirms the `events` frames up to and including number `f`. */
export interface Seen {
	t: "seen";
	f: number;
}

export interface Ping {
	t: "ping";
}

/**
 * `ambiguous`: somebody else's name looks the same; show `username`, which is unique, too.
 * `deactivated`: they cannot sign in, so they read nothing.
 */
export interface UserInfo {
	id: number;
	username: string;
	name: string;
	staff?: boolean;
	ambiguous?: boolean;
	deactivated?: boolean;
}

/** Who may find and enter a room. */
export type RoomKind = "direct" | "private" | "public";

/** What a member may do in a room, strongest last. */
export type Role = "member" | "moderator" | "owner";

/**
 * A room as one of its members sees it. `read`: the reader's own marker, a seq.
 *
 * `n` - `read_n` messages are new to the reader: `read_n` counts those up to the marker, and after
 * it the reader's own and those that were deleted.
 */
export interface RoomInfo {
	id: number;
	slug: string;
	name: string;
	topic: string;
	kind: RoomKind;
	archived: boolean;
	epoch: number;
	head: number;
	n: number;
	stored: number;
	read: number;
	read_n: number;
	role: Role;
	/** The other person of a direct conversation. */
	peer?: UserInfo | null;
	/** Members wait this long between two messages; 0 without slow mode. */
	slow_mode_seconds?: number;
	/** When the reader may write again, here or anywhere. */
	muted_until?: string | null;
	/** Seqs of the reader's own messages after `read`, the newest 1,000. */
	own_after?: number[];
	/** Seqs of others' messages after `read` that were deleted, likewise. */
	deleted_after?: number[];
	/** Seqs of others' messages after `read` that mention the reader, a group of theirs or everybody, the newest 100. */
	mentions?: number[];
	/** When the reader last set `read` by hand; absent: never. */
	set_at_ms?: number;
}

export interface Limits {
	frame_bytes: number;
	body_characters: number;
	unseen_bytes: number;
	sends_per_second: number;
	sends_burst: number;
}

/**
 * Answer to `hello`. `time` is the server's clock, for the client's UUIDv7 keys.
 *
 * A person who is in many rooms gets them in parts: `more` says that a `rooms` frame follows.
 */
export interface Welcome {
	t: "welcome";
	user: UserInfo;
	rooms: RoomInfo[];
	heartbeat: number;
	time: string;
	limits: Limits;
	weak_log?: boolean;
	more?: boolean;
}

/** More of the person's rooms, after a `welcome` or `rooms` with `more`. */
export interface Rooms {
	t: "rooms";
	rooms: RoomInfo[];
	more: boolean;
}

/** The person entered a room while connected; its events follow from `head` + 1. */
export interface RoomAdded {
	t: "room";
	room: RoomInfo;
}

export interface Ok {
	t: "ok";
	id: string;
	room: number;
	epoch: number;
	seq: number;
	n: number;
	at: string;
}

/** Why a frame was not accepted; the same key may be sent again after the cause is gone. */
export type ErrorCode =
	| "archived"
	| "bad_request"
	| "empty"
	| "forbidden"
	| "key_conflict"
	| "muted"
	| "not_found"
	| "not_member"
	| "rate_limited"
	| "too_large"
	| "too_many"
	| "unavailable"
	| "unknown_type";

/** The name of a rule, as answers give it in `rule`. */
export type Rule =
	| "cursor_from_an_answer"
	| "has_author"
	| "ids_or_q"
	| "is_deleted"
	| "key_not_of_the_future"
	| "key_of_an_act_is_recent"
	| "known_characters"
	| "known_time_zone"
	| "length_in_normal_form"
	| "mark_not_of_the_future"
	| "more_than_marks"
	| "not_direct"
	| "not_ones_own"
	| "one_alphabet"
	| "one_emoji"
	| "one_hello"
	| "quick_search"
	| "search_operators"
	| "seen_was_sent"
	| "somebody_else";

/**
 * `id` is null if the refused frame had none. `rule`, with a code for bad form: the frame
 * matches its schema but breaks this rule, which the schema cannot express.
 */
export interface ErrorFrame {
	t: "error";
	id: string | null;
	code: ErrorCode;
	message: string;
	retry_after?: number;
	rule?: Rule;
	/** Tells refusals with the same code apart, as in problems over REST. */
	reason?: string;
}

/**
 * A room event as clients see it; `data` is the JSON object of its type.
 *
 * `redacted`, in answers about the past: the text was later deleted or replaced, and is empty.
 */
export interface RoomEvent {
	seq: number;
	n: number;
	type: string;
	key: string | null;
	actor: number | null;
	at: string;
	data: Record<string, unknown>;
	redacted?: boolean;
}

/** Live or resumed events in seq order; `f` numbers these frames of the connection from 1. */
export interface Events {
	t: "events";
	f: number;
	room: number;
	events: RoomEvent[];
}

export interface Stored {
	t: "stored";
	rooms: Record<string, number>;
}

/** How far rooms are: those that changed since the last heartbeat, and some others in turn. */
export interface Heads {
	t: "heads";
	rooms: Record<string, [number, number]>;
}

/** The log of this room was lost after `head`: forget positions and load the history again. */
export interface Reset {
	t: "reset";
	room: number;
	epoch: number;
	head: number;
}

/**
 * The replies to a message. `replies` counts those that are not deleted, `people` everybody
 * who has replied; the first 5 of them are named.
 */
export interface ThreadSummary {
	replies: number;
	people: number;
	first_people: number[];
	last_seq: number;
	last_at: string;
}

/**
 * What was meant by the names in a text when it was logged: the name as it is written (in
 * lower case; without its sign) → id. Everything else in the text is text.
 *
 * `people` are in the room. `all`: everybody in it, or everybody who is present. `unresolved`:
 * PostgreSQL was down, so the names are looked up when the event is stored.
 */
export interface Mentions {
	people?: Record<string, number>;
	groups?: Record<string, number>;
	rooms?: Record<string, number>;
	all?: "here" | "room" | null;
	unresolved?: boolean;
}

/**
 * A message as it stands now: edits and reactions applied. A deleted one has no body.
 *
 * A reply names the root of its `thread`; its `n` is 0 if the room does not show it. A root has
 * a summary of its `replies`, if there are any.
 *
 * `reactions` names the first 10 people who gave each emoji, and the reader if they did;
 * `reaction_counts` has how many people gave it.
 */
export interface Message {
	seq: number;
	n: number;
	author: number | null;
	key: string | null;
	at: string;
	body: string;
	reply_to?: number | null;
	edited_at?: string | null;
	deleted?: boolean;
	/** Its author, or whoever moderated it. */
	deleted_by?: number | null;
	reactions?: Record<string, number[]>;
	reaction_counts?: Record<string, number>;
	thread?: number;
	replies?: ThreadSummary;
	mentions?: Mentions;
}

/**
 * Messages in ascending seq; `more` tells whether older ones exist. Valid as of seq `upto`.
 *
 * `events` is what else happened to the room and its people in the same part of the log.
 */
export interface Page {
	t: "page";
	id: string;
	room: number;
	messages: Message[];
	more: boolean;
	upto: number;
	events?: RoomEvent[];
}

/**
 * Replies in ascending seq, and their root; `more` tells whether older ones exist.
 *
 * Valid as of seq `upto`. `message` is null if the root cannot be read at the moment. `following`
 * and `read` are the reader's own, as in `thread`; absent while nobody can tell.
 */
export interface ThreadPage {
	t: "thread_page";
	id: string;
	room: number;
	root: number;
	message: Message | null;
	messages: Message[];
	more: boolean;
	upto: number;
	following?: boolean | null;
	read?: number;
}

export interface Batch {
	t: "batch";
	id: string;
	room: number;
	events: RoomEvent[];
	head: number;
}

/** Who came online and went offline in a room. `full` replaces what the client knew. */
export interface Presence {
	t: "presence";
	room: number;
	online?: number[];
	offline?: number[];
	full?: boolean;
}

export interface TypingNotice {
	t: "typing";
	room: number;
	user: number;
}

/**
 * The person's own marker moved, on any of their devices: read up to `seq`, by which `n`
 * messages had been posted. It may arrive before the room's events.
 */
export interface ReadNotice {
	t: "read";
	room: number;
	seq: number;
	n: number;
	/** When the marker was last set by hand; absent: never. */
	set_at_ms?: number;
}

/** The person's own marker in one room; the fields are those of a room. */
export interface Marker {
	room: number;
	read: number;
	read_n: number;
	own_after?: number[];
	deleted_after?: number[];
	mentions?: number[];
	set_at_ms?: number;
}

/** The person set markers by hand, on any of their devices, perhaps back. */
export interface Markers {
	t: "markers";
	markers: Marker[];
}

/**
 * The person's own relation to a thread changed, on any of their devices: whether they follow
 * it (null: they have not replied, are not the root's author, and have not decided), and the seq
 * up to which they have read it.
 */
export interface ThreadNotice {
	t: "thread";
	room: number;
	root: number;
	following: boolean | null;
	read: number;
}

/** The person has arranged their list of rooms, on any of their devices; it has this version. */
export interface Arranged {
	t: "arranged";
	version: number;
}

/**
 * A report that the person made is closed: `resolved` or `dismissed`.
 *
 * Or `waiting`: in a room that the person moderates, the number of open reports has changed.
 */
export interface ReportNotice {
	t: "report";
	report: number;
	state: string;
}

/**
 * Somebody's name has changed, or it now looks like somebody else's, or no longer does; or
 * their account was deactivated or reactivated.
 */
export interface PersonChanged {
	t: "person";
	user: UserInfo;
}

export interface Pong {
	t: "pong";
	time: string;
}

export interface Bye {
	t: "bye";
	reconnect_after_ms: number;
}

export type ClientFrame =
	| Hello
	| Send
	| Reply
	| Edit
	| Delete
	| React
	| Sync
	| History
	| Thread
	| Read
	| ThreadRead
	| Typing
	| Seen
	| Ping;

export type ServerFrame =
	| Welcome
	| Rooms
	| RoomAdded
	| Ok
	| ErrorFrame
	| Events
	| Stored
	| Heads
	| Reset
	| Page
	| ThreadPage
	| Batch
	| Presence
	| TypingNotice
	| ReadNotice
	| Markers
	| ThreadNotice
	| Arranged
	| ReportNotice
	| PersonChanged
	| Pong
	| Bye;
