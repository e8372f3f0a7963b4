import type { Batch, Message, Page, RoomEvent } from "./frames";
import { addOlder, type Counted, emptySegment, findMessage, holes, PLACEHOLDER } from "./history";
import { RequestError, type Requests } from "./requests";
import type { RoomState } from "./room-state";
import * as rooms from "./room-state";

export const PAGE = 50;
/** The most that the server returns at once. */
export const LARGEST_PAGE = 100;
const SYNC_LIMIT = 500;

/**
 * Loads older and newer pages of a room's messages into its state. All calls reject with RequestError.
 *
 * What it loads is complete: it counts the messages of a range and looks for missing ones. It loads nothing
 * rather than something with a hole.
 */
export class HistoryLoader {
	private readonly loading = new Set<string>();

	constructor(
		private readonly requests: Requests,
		private readonly room: (id: number) => RoomState | undefined,
		private readonly update: (id: number, change: (state: RoomState) => RoomState) => void,
	) {}

	/** Loads the page before what is shown; true if something came. */
	older(id: number, limit = PAGE): Promise<boolean> {
		return this.once(`older-${id}`, async () => {
			const state = this.room(id);
			const where = state?.island ? "island" : "tail";
			const segment = state?.[where];
			if (!segment || segment.complete) return false;
			const page = await this.page(id, segment.from, limit);
			const end = segment.items[0] ?? (where === "tail" ? newest(state) : undefined);
			const later = await this.between(id, [page], segment.from, end);
			this.update(id, (now) =>
				now[where]?.from === segment.from ? rooms.withOlder(now, where, page, later) : now,
			);
			return true;
		});
	}

	/** Loads what follows the part of the past that is shown; true if something came. */
	newer(id: number): Promise<boolean> {
		return this.once(`newer-${id}`, async () => {
			const island = this.room(id)?.island;
			const tail = this.room(id)?.tail;
			if (!island || !tail) return false;
			// A page ends before a position: 100 positions further at most, one page holds them all.
			const to = Math.min(island.to + LARGEST_PAGE, tail.from - 1);
			const pages = await this.pagesBack(id, to + 1, island.to + 1);
			const later = await this.between(id, pages, to + 1, after(to, tail), island.items.at(-1));
			this.update(id, (now) => (now.island?.to === island.to ? rooms.withNewer(now, pages, to, later) : now));
			return true;
		});
	}

	/** Makes the message at `seq` part of what is shown; false if there is none. */
	async around(id: number, seq: number): Promise<boolean> {
		const state = this.room(id);
		if (!state?.tail) return false;
		if (findMessage(state.island ?? state.tail, seq)) return true;
		if (seq < state.tail.from) {
			const before = Math.min(seq + PAGE / 2, state.tail.from);
			const pages = await this.pagesBack(id, before, seq);
			const later = await this.between(id, pages, before, after(before - 1, state.tail));
			this.update(id, (now) => rooms.withIsland(now, pages, before, later));
		} else this.update(id, rooms.leftIsland);
		const now = this.room(id);
		return findMessage(now?.island ?? now?.tail ?? null, seq) !== undefined;
	}

	/** One message as it is now; null if there is none at `seq`. */
	async message(id: number, seq: number): Promise<{ message: Message; upto: number } | null> {
		const page = await this.page(id, seq + 1, 1);
		const message = page.messages.find((candidate) => candidate.seq === seq);
		if (!message && page.upto < seq) throw unavailable();
		return message ? { message, upto: page.upto } : null;
	}

	/** Asks again for a message whose text is no longer known. */
	async refresh(id: number, seq: number): Promise<void> {
		try {
			const found = await this.message(id, seq);
			if (found) this.update(id, (state) => rooms.withMessage(state, found.message, found.upto));
		} catch (error) {
			if (!(error instanceof RequestError)) throw error;
		}
	}

	private page(room: number, before: number, limit: number): Promise<Page> {
		return this.requests.ask<Page>({ t: "history", room, before, limit });
	}

	/**
	 * Pages before `before`, newest first, that together hold every message from position `from` on.
	 *
	 * The server cuts a page with long messages to its newest part, even if few messages were asked for.
	 */
	private async pagesBack(room: number, before: number, from: number): Promise<Page[]> {
		const pages: Page[] = [];
		let oldest = before;
		while (oldest > from) {
			const page = await this.page(room, oldest, LARGEST_PAGE);
			pages.push(page);
			const first = page.messages[0]?.seq;
			if (!page.more) break;
			if (first === undefined || first >= oldest) throw unavailable();
			oldest = first;
		}
		return pages;
	}

	/**
	 * The events that `pages`, which were asked for before `before`, need to be complete and current: those after
	 * their position, and placeholders in place of messages that could not be stored.
	 *
	 * `end` comes after them and `start` before them: both are loaded already.
	 */
	private async between(
		id: number,
		pages: Page[],
		before: number,
		end?: Counted,
		start?: Counted,
	): Promise<RoomEvent[]> {
		const later = await this.changesSince(id, pages);
		const found = pages.reduce((grown, page) => addOlder(grown, page, later), emptySegment(before - 1));
		const items: Counted[] = start ? found.items.filter(({ seq }) => seq > start.seq) : found.items;
		const first = start ?? (found.complete ? { seq: 0, n: 0 } : undefined);
		const shown = new Set(items.map(({ seq }) => seq));
		const placeholders: RoomEvent[] = [];
		for (const { after, before } of holes([...(first ? [first] : []), ...items, ...(end ? [end] : [])])) {
			const events = await this.events(id, after, before - 1);
			if (events.some(({ seq, type }) => type === "message.posted" && !shown.has(seq))) throw unavailable();
			placeholders.push(...events.filter(({ type }) => type === PLACEHOLDER));
		}
		return [...placeholders, ...later];
	}

	/** The events between the position of pages and the first change that the room's state remembers. */
	private async changesSince(id: number, pages: Page[]): Promise<RoomEvent[]> {
		const upto = Math.min(...pages.map((page) => page.upto));
		return this.events(id, upto, this.room(id)?.mutationsSince ?? upto);
	}

	/** All events of a room after position `after` up to `last`, in order. */
	private async events(room: number, after: number, last: number): Promise<RoomEvent[]> {
		const found: RoomEvent[] = [];
		let at = after;
		while (at < last) {
			const batch = await this.requests.ask<Batch>({ t: "sync", room, after: at, limit: SYNC_LIMIT });
			// Their seqs go up by one; anything else is not the continuation.
			const next = batch.events.filter(({ seq }, i) => seq === at + 1 + i);
			if (next.length === 0) throw unavailable();
			found.push(...next);
			at += next.length;
		}
		return found.filter(({ seq }) => seq <= last);
	}

	private async once(name: string, work: () => Promise<boolean>): Promise<boolean> {
		if (this.loading.has(name)) return false;
		this.loading.add(name);
		try {
			return await work();
		} finally {
			this.loading.delete(name);
		}
	}
}

/** The events after the newest message of a room that has just been opened. */
function newest(state: RoomState): Counted {
	return { seq: state.last + 1, n: state.n + 1 };
}

/** The part of `tail` that directly follows position `to`. */
function after(to: number, tail: RoomState["tail"]): Counted | undefined {
	return tail?.from === to + 1 ? tail.items[0] : undefined;
}

function unavailable(): RequestError {
	return new RequestError("unavailable", "Some messages cannot be read at the moment.", 1);
}
