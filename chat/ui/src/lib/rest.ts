import type {
	Marker,
	Mentions,
	Role,
	RoomInfo,
	ThreadNotice,
	ThreadSummary,
	UserInfo,
} from "./client/frames";
import type { SetMarker } from "./client/markers-by-hand";
import { ModerationRest } from "./moderation-rest";
import type { Arranged } from "./state/arrangement.svelte";

export interface Member {
	id: number;
	role: Role;
	/** Until when they may not write; in the past or null when they may. */
	mutedUntil: string | null;
}

/** A page of a room's people from the server: by user name, as far as stored. */
export type MembersPage = { user: UserInfo; role: Role; muted_until: string | null }[];

/** Which of a room's people to return; {} means all. */
export interface Which {
	/** Part of a name. */
	named?: string;
	/** At most 200 ids. */
	among?: number[];
}

export interface PublicRoom {
	id: number;
	slug: string;
	name: string;
	topic: string;
	joined: boolean;
	members: number;
}

export interface Found {
	room: number;
	seq: number;
	author: number | null;
	at: string;
	body: string;
	/** The root of the thread that it is a reply in. */
	thread?: number;
	/** The strings in the body to mark. */
	marks: string[];
}

export type SearchOrder = "time" | "relevance";

export interface SearchPage {
	found: Found[];
	more: boolean;
	/** Asks for the next page. */
	cursor: string | null;
}

/** A thread that the person follows; the texts are of its root. */
export interface FollowedThread {
	room: number;
	root: number;
	author: number | null;
	at: string | null;
	body: string;
	deleted: boolean;
	unread: number;
	read: number;
	replies: ThreadSummary;
}

export interface FollowedThreads {
	threads: FollowedThread[];
	unread: number;
	next: string | null;
}

/** A message of somebody else that mentions the person, a group of theirs or everybody. */
export interface Mentioning {
	room: number;
	seq: number;
	at: string;
	author: number | null;
	body: string;
	mentions: Mentions;
	/** The room shows it; otherwise it is in its thread only. */
	in_room: boolean;
	thread?: number;
}

/** A group of people that a message can mention; `mine`: the person is in it. */
export interface PeopleGroup {
	id: number;
	handle: string;
	name: string;
	members: number;
	mine: boolean;
}

/** A refusal of the HTTP API; `code` is one of the protocol's error codes, or `network`. */
export class RestError extends Error {
	constructor(
		readonly status: number,
		readonly code: string,
		message: string,
		/** Tells refusals of one code apart. */
		readonly reason: string | null = null,
		/** The part of the request that is at fault. */
		readonly about: string | null = null,
	) {
		super(message);
	}
}

const WITHIN_MS = 15_000;
/** How often a read is tried while the server answers that there are too many at once. */
const READ_ATTEMPTS = 6;
const LONGEST_PAUSE_SECONDS = 10;

/** Seconds until a refused request may be made again. */
function pauseOf(response: Response): number {
	const seconds = Number(response.headers.get("Retry-After"));
	return Math.min(seconds > 0 ? seconds : 1, LONGEST_PAUSE_SECONDS);
}

/** The HTTP API of the signed-in person. Every call rejects with RestError. */
export class Rest {
	readonly moderation = new ModerationRest((method, path, body, key) => this.call(method, path, body, key));

	constructor(
		private readonly csrfToken: string,
		private readonly base = "/api/v1/",
	) {}

	/** False if the session is gone; true if in doubt. */
	async signedIn(): Promise<boolean> {
		try {
			await this.call("GET", "me");
			return true;
		} catch (error) {
			return !(error instanceof RestError && (error.status === 401 || error.status === 403));
		}
	}

	users(ids: number[]): Promise<UserInfo[]> {
		return this.call("GET", `users?ids=${ids.join(",")}`);
	}

	findUsers(query: string): Promise<UserInfo[]> {
		return this.call("GET", `users?q=${encodeURIComponent(query)}`);
	}

	/** A room that the person is in; null for others. */
	async room(id: number): Promise<RoomInfo | null> {
		try {
			const info = await this.call<Omit<RoomInfo, "role"> & { role: Role | "" }>("GET", `rooms/${id}`);
			return info.role === "" ? null : { ...info, role: info.role };
		} catch (error) {
			if (error instanceof RestError && error.status === 404) return null;
			throw error;
		}
	}

	/** Archived rooms and older direct conversations that the list of rooms does not have. */
	furtherRooms(query: string, offset: number, limit: number): Promise<RoomInfo[]> {
		return this.call("GET", `rooms/further?q=${encodeURIComponent(query)}&offset=${offset}&limit=${limit}`);
	}

	/** Makes the server send such a room to all of the person's connections. */
	show(room: number): Promise<RoomInfo> {
		return this.call("POST", `rooms/${room}/show`);
	}

	/** Sets markers that the person set at the same moment, at most 1,000; gives them as they are then. */
	setMarkers(markers: SetMarker[]): Promise<Marker[]> {
		return this.call("PUT", "read-markers", {
			set_at_ms: markers[0]?.setAtMs,
			markers: markers.map(({ room, seq }) => ({ room, seq })),
		});
	}

	arranged(): Promise<Arranged> {
		return this.call("GET", "room-arrangement");
	}

	/** Rejects with `key_conflict` if another device has arranged the rooms meanwhile. */
	arrange(wanted: Arranged): Promise<Arranged> {
		return this.call("PUT", "room-arrangement", wanted);
	}

	/** A page of the room's people by user name, after `after`; of all, or of those selected by `which`. */
	members(room: number, after = "", limit = 500, which: Which = {}): Promise<MembersPage> {
		const query = new URLSearchParams({ after, limit: String(limit) });
		if (which.named !== undefined) query.set("q", which.named);
		if (which.among !== undefined) query.set("ids", which.among.join(","));
		return this.call("GET", `rooms/${room}/members?${query}`);
	}

	publicRooms(query: string): Promise<PublicRoom[]> {
		return this.call("GET", `rooms/public?q=${encodeURIComponent(query)}`);
	}

	/** The public room at an address; null if there is none. */
	async publicRoom(slug: string): Promise<PublicRoom | null> {
		const found = await this.call<PublicRoom[]>("GET", `rooms/public?slug=${encodeURIComponent(slug)}`);
		return found[0] ?? null;
	}

	createRoom(room: { name: string; kind: "public" | "private"; topic?: string }): Promise<RoomInfo> {
		return this.call("POST", "rooms", room);
	}

	direct(user: number): Promise<RoomInfo> {
		return this.call("POST", "direct", { user });
	}

	change(
		room: number,
		changes: { name?: string; topic?: string; slow_mode_seconds?: number },
	): Promise<unknown> {
		return this.call("PATCH", `rooms/${room}`, changes);
	}

	archive(room: number, archived: boolean, reason: string): Promise<unknown> {
		return this.call("POST", `rooms/${room}/archive`, { archived, reason });
	}

	join(room: number): Promise<RoomInfo> {
		return this.call("POST", `rooms/${room}/join`);
	}

	leave(room: number): Promise<unknown> {
		return this.call("POST", `rooms/${room}/leave`);
	}

	/** Messages that the text means; `room` null searches all of the person's rooms. `cursor`: the page after another. */
	search(
		query: string,
		room: number | null,
		order: SearchOrder,
		cursor: string | null = null,
	): Promise<SearchPage> {
		const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
		const asked = new URLSearchParams({ q: query, order, limit: "20", tz: timeZone });
		if (room !== null) asked.set("room", String(room));
		if (cursor !== null) asked.set("cursor", cursor);
		return this.call("GET", `search?${asked}`);
	}

	/** Where the room goes on after a moment; nulls if it does not. */
	firstMessage(room: number, since: Date): Promise<{ seq: number | null; at: string | null }> {
		return this.call("GET", `rooms/${room}/first-message?since=${since.toISOString()}`);
	}

	/** The threads that the person follows, the unread ones first; `cursor` is `next` of the page before. */
	threads(cursor: string | null): Promise<FollowedThreads> {
		return this.call("GET", `threads${cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`}`);
	}

	/** What mentions the person, newest first; `cursor` is `next` of the page before. */
	mentions(cursor: string | null): Promise<{ messages: Mentioning[]; next: string | null }> {
		return this.call("GET", `mentions${cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`}`);
	}

	/** All groups of people, by handle. */
	groups(): Promise<PeopleGroup[]> {
		return this.call("GET", "groups");
	}

	/** Follows a thread, or mutes it. */
	followThread(room: number, root: number, following: boolean): Promise<ThreadNotice> {
		return this.call("PUT", `rooms/${room}/messages/${root}/following`, { following });
	}

	/** Ids of people who have the emoji on the message, above `after`. */
	whoReacted(
		room: number,
		seq: number,
		emoji: string,
		after: number,
	): Promise<{ users: number[]; more: boolean }> {
		const query = `emoji=${encodeURIComponent(emoji)}&after=${after}`;
		return this.call("GET", `rooms/${room}/messages/${seq}/reactions?${query}`);
	}

	invite(room: number, user: number): Promise<unknown> {
		return this.call("POST", `rooms/${room}/members`, { user });
	}

	private async call<T>(method: string, path: string, body?: unknown, key?: string): Promise<T> {
		const headers: Record<string, string> = { Accept: "application/json" };
		if (method !== "GET") headers["X-CSRFToken"] = this.csrfToken;
		if (key !== undefined) headers["Idempotency-Key"] = key;
		if (body !== undefined) headers["Content-Type"] = "application/json";
		const ask = async (): Promise<Response> => {
			try {
				return await fetch(this.base + path, {
					method,
					headers,
					credentials: "same-origin",
					// The request is completed even if the person closes the page right now.
					keepalive: method !== "GET",
					signal: AbortSignal.timeout(WITHIN_MS),
					...(body === undefined ? {} : { body: JSON.stringify(body) }),
				});
			} catch {
				throw new RestError(0, "network", "The server cannot be reached.");
			}
		};
		let response = await ask();
		for (let attempt = 1; method === "GET" && response.status === 429 && attempt < READ_ATTEMPTS; attempt++) {
			const seconds = pauseOf(response);
			await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
			response = await ask();
		}
		const text = await response.text();
		let answer: unknown = null;
		try {
			answer = text === "" ? null : JSON.parse(text);
		} catch {
			// A proxy's error page: the status says enough.
		}
		if (response.ok) return answer as T;
		const problem = (answer ?? {}) as {
			code?: string;
			reason?: string;
			about?: string;
			detail?: unknown;
			title?: string;
		};
		const detail =
			typeof problem.detail === "string" ? problem.detail : (problem.title ?? response.statusText);
		throw new RestError(
			response.status,
			problem.code ?? "unknown",
			detail,
			problem.reason ?? null,
			problem.about ?? null,
		);
	}
}
