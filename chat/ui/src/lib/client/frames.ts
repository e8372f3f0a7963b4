/**
 * The frames of wire protocol v1, as `chat/protocol.py` defines them.
 *
 * Unknown server frames and unknown fields are ignored, so an older page keeps working with a newer server.
 */

export const SUBPROTOCOL = "veche.v1";

export interface Position {
	epoch: number;
	seq: number;
}

export interface UserInfo {
	id: number;
	username: string;
	name: string;
	staff?: boolean;
	/** Somebody else's name looks the same. */
	ambiguous?: boolean;
}

export type RoomKind = "public" | "private" | "direct";
export type Role = "member" | "moderator" | "owner";

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
	peer?: UserInfo | null;
	/** Members wait so long between two messages; 0 without slow mode. */
	slow_mode_seconds?: number;
	/** Until when the person may not write here; in the past or null when they may. */
	muted_until?: string | null;
}

export interface Limits {
	frame_bytes: number;
	body_characters: number;
	unseen_bytes: number;
	sends_per_second: number;
	sends_burst: number;
}

export interface RoomEvent {
	seq: number;
	n: number;
	type: string;
	key: string | null;
	actor: number | null;
	at: string;
	data: Record<string, unknown>;
	/** The text was deleted or replaced since, and is empty here. */
	redacted?: boolean;
}

/** A message as it stands now; a deleted one has no body. */
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
	/** Who deleted it: its author or a moderator. */
	deleted_by?: number | null;
	/** Of each emoji the first people who have it, and the reader. */
	reactions?: Record<string, number[]>;
	/** How many have it. */
	reaction_counts?: Record<string, number>;
}

export type ErrorCode =
	| "bad_request"
	| "unknown_type"
	| "too_large"
	| "empty"
	| "not_found"
	| "not_member"
	| "forbidden"
	| "muted"
	| "archived"
	| "rate_limited"
	| "key_conflict"
	| "too_many"
	| "unavailable";

/** Close codes after which the page must not come back by itself. */
export const CLOSE = { protocol: 4400, notSignedIn: 4401, revoked: 4403, tooMany: 4429 } as const;

export type Appending =
	| { t: "send"; room: number; key: string; body: string; reply_to: number | null }
	| { t: "edit"; room: number; key: string; target: number; body: string }
	| { t: "delete"; room: number; key: string; target: number }
	| { t: "react"; room: number; key: string; target: number; emoji: string; on: boolean };

export type Request =
	| Appending
	| { t: "sync"; room: number; after: number; limit: number }
	| { t: "history"; room: number; before: number; limit: number };

export type ClientFrame =
	| { t: "hello"; rooms: Record<string, Position> }
	| (Request & { id: string })
	| { t: "read"; room: number; seq: number }
	| { t: "typing"; room: number }
	| { t: "seen"; f: number }
	| { t: "ping" };

export interface Welcome {
	t: "welcome";
	user: UserInfo;
	rooms: RoomInfo[];
	heartbeat: number;
	time: string;
	limits: Limits;
	weak_log?: boolean;
	/** The rest of the rooms follows as `rooms`. */
	more?: boolean;
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
export interface ErrorFrame {
	t: "error";
	id: string | null;
	code: ErrorCode;
	message: string;
	retry_after?: number;
}
export interface Events {
	t: "events";
	f: number;
	room: number;
	events: RoomEvent[];
}
export interface Page {
	t: "page";
	id: string;
	room: number;
	messages: Message[];
	more: boolean;
	upto: number;
}
export interface Batch {
	t: "batch";
	id: string;
	room: number;
	events: RoomEvent[];
	head: number;
}
export interface PresenceFrame {
	t: "presence";
	room: number;
	online?: number[];
	offline?: number[];
	full?: boolean;
}

export type ServerFrame =
	| Welcome
	| { t: "rooms"; rooms: RoomInfo[]; more: boolean }
	| { t: "room"; room: RoomInfo }
	| Ok
	| ErrorFrame
	| Events
	| { t: "stored"; rooms: Record<string, number> }
	| { t: "heads"; rooms: Record<string, [epoch: number, head: number]> }
	| { t: "reset"; room: number; epoch: number; head: number }
	| Page
	| Batch
	| PresenceFrame
	| { t: "typing"; room: number; user: number }
	/** A report that the person made is closed. */
	| { t: "report"; report: number; state: string }
	/** Somebody has another name, or theirs has become, or is no longer, somebody else's too. */
	| { t: "person"; user: UserInfo }
	| { t: "pong"; time: string }
	| { t: "bye"; reconnect_after_ms: number };

/** The server's frame in `text`, or null when it is not an object with a type. */
export function parseFrame(text: string): ServerFrame | null {
	try {
		const frame: unknown = JSON.parse(text);
		if (typeof frame === "object" && frame !== null && typeof (frame as { t?: unknown }).t === "string") {
			return frame as ServerFrame;
		}
	} catch {
		// Not JSON: answered like a frame of an unknown type.
	}
	return null;
}
