import { SvelteMap } from "svelte/reactivity";
import type { RoomEvent } from "../client/frames";
import type { RoomState } from "../client/room-state";
import type { Member, MembersPage, Which } from "../rest";

export const MEMBERS_PAGE = 500;
/** How many of the people found by a search are shown. */
export const MOST_FOUND = 100;
const MOST_IDS = 200;
/** How many unstored joins and leaves are remembered per room; there are more only while nothing is stored. */
const MOST_NEWS = 1_000;

/**
 * The members of rooms whose members were asked for.
 *
 * The server's pages lag behind the log: they lack what is not stored yet. Changes that came meanwhile are applied to
 * them, and so is the reader, who is in every room listed here. What happened before this page heard of the room is
 * looked up again once it is stored.
 */
export class RoomMembers {
	private readonly lists = new SvelteMap<number, Member[]>();
	/** For rooms with more members than were loaded: the user name after which the next page begins. */
	private readonly ends = new SvelteMap<number, string>();
	private readonly news = new Map<number, RoomEvent[]>();
	/** Rooms to look up again once they are stored up to the position. */
	private readonly behind = new Map<number, number>();

	/**
	 * @param fetch a page after a user name, of all people or of some; may reject
	 * @param state the room as it is now; undefined if it is gone
	 */
	constructor(
		private readonly me: number,
		private readonly fetch: (
			room: number,
			after: string,
			limit: number,
			which?: Which,
		) => Promise<MembersPage>,
		private readonly state: (room: number) => RoomState | undefined,
	) {}

	/** The members loaded so far, in no order; undefined before they are asked for. */
	get(room: number): Member[] | undefined {
		return this.lists.get(room);
	}

	has(room: number): boolean {
		return this.lists.has(room);
	}

	/** There are more members than were loaded. */
	hasMore(room: number): boolean {
		return this.ends.has(room);
	}

	/** Loads the first page. Rejects as `fetch` does. */
	async load(room: number): Promise<void> {
		const asked = this.state(room);
		await this.loadFrom(room, "");
		if (!asked || this.hasMore(room) || asked.stored >= asked.last) return;
		this.behind.set(room, asked.last);
		this.changed(room);
	}

	/** Loads the next page. Rejects as `fetch` does. */
	async loadMore(room: number): Promise<void> {
		await this.loadFrom(room, this.ends.get(room) ?? "");
	}

	/**
	 * Afterwards those of the people who are members are in the list, wherever its pages end, for callers that need
	 * their roles. Rejects as `fetch` does.
	 */
	async include(room: number, ids: Iterable<number>): Promise<void> {
		if (!this.has(room)) await this.load(room);
		if (!this.hasMore(room)) return;
		const known = new Set(this.lists.get(room)?.map(({ id }) => id));
		const missing = [...ids].filter((id) => !known.has(id));
		for (let at = 0; at < missing.length; at += MOST_IDS)
			await this.loadSome(room, MOST_IDS, { among: missing.slice(at, at + MOST_IDS) });
	}

	/** The ids of members with `text` in their names, at most MOST_FOUND; afterwards they are in the list. */
	async find(room: number, text: string): Promise<number[]> {
		const page = await this.loadSome(room, MOST_FOUND, { named: text });
		return page.map(({ user }) => user.id);
	}

	private async loadSome(room: number, limit: number, which: Which): Promise<MembersPage> {
		const stored = this.state(room)?.stored ?? 0;
		const page = await this.fetch(room, "", limit, which);
		const list = this.lists.get(room);
		if (list) this.put(room, stored, list, page);
		return page;
	}

	private async loadFrom(room: number, after: string): Promise<void> {
		const stored = this.state(room)?.stored ?? 0;
		const page = await this.fetch(room, after, MEMBERS_PAGE);
		const state = this.state(room);
		if (!state) return;
		const last = page.at(-1);
		if (last && page.length === MEMBERS_PAGE) this.ends.set(room, last.user.username);
		else this.ends.delete(room);
		const before = after === "" ? [] : (this.lists.get(room) ?? []);
		const own: Member[] = [];
		if (!this.ends.has(room)) {
			const { role, mutedUntil, peer } = state;
			own.push({ id: this.me, role, mutedUntil });
			if (peer) own.push({ id: peer.id, role: "member", mutedUntil: null });
		}
		this.put(room, stored, before, page, own);
	}

	/**
	 * A page that was asked for when the room was stored up to `stored`, merged over what was known; and people who are
	 * members, if neither has them.
	 */
	private put(room: number, stored: number, before: Member[], page: MembersPage, sure: Member[] = []): void {
		const known = new Map(before.map((member) => [member.id, member]));
		for (const { user, role, muted_until } of page)
			known.set(user.id, { id: user.id, role, mutedUntil: muted_until });
		for (const member of sure) if (!known.has(member.id)) known.set(member.id, member);
		this.lists.set(room, [...known.values()]);
		for (const event of this.news.get(room) ?? []) if (event.seq > stored) this.apply(room, event);
	}

	/** The room has changed: what was not stored yet may be stored now. */
	changed(room: number): void {
		const position = this.behind.get(room);
		if (position === undefined || (this.state(room)?.stored ?? 0) < position) return;
		this.behind.delete(room);
		this.loadFrom(room, "").catch(() => {
			// The list is unchanged; opening it again asks again.
		});
	}

	/** Something happened in the room, in order of `seq`. */
	happened(room: number, event: RoomEvent): void {
		if (!event.type.startsWith("member.")) return;
		const stored = this.state(room)?.stored ?? 0;
		const before = this.news.get(room)?.filter(({ seq }) => seq > stored) ?? [];
		this.news.set(room, [...before, event].slice(-MOST_NEWS));
		this.apply(room, event);
	}

	forget(room: number): void {
		this.lists.delete(room);
		this.ends.delete(room);
		this.news.delete(room);
		this.behind.delete(room);
	}

	private apply(room: number, event: RoomEvent): void {
		const members = this.lists.get(room);
		const data = event.data as { user?: number; role?: Member["role"]; until?: string };
		const { user } = data;
		if (!members || user === undefined) return;
		const before = members.find((member) => member.id === user);
		const others = members.filter((member) => member.id !== user);
		const put = (changes: Partial<Member>) =>
			this.lists.set(room, [
				...others,
				{ id: user, role: "member", mutedUntil: null, ...before, ...changes },
			]);
		if (event.type === "member.joined") put({ role: data.role ?? "member" });
		else if (event.type === "member.left" || event.type === "member.removed") this.lists.set(room, others);
		else if (event.type === "member.muted" && before) put({ mutedUntil: data.until ?? null });
		else if (event.type === "member.unmuted" && before) put({ mutedUntil: null });
	}
}
