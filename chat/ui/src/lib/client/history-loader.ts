import type { Batch, Message, Page, RoomEvent } from "./frames";
import { findMessage } from "./history";
import { RequestError, type Requests } from "./requests";
import type { RoomState } from "./room-state";
import * as rooms from "./room-state";

export const PAGE = 50;
/** The most that the server gives at once. */
export const LARGEST_PAGE = 100;
const SYNC_LIMIT = 500;

/** Loads older and newer pages of a room's messages into its state. All calls reject with RequestError. */
export class HistoryLoader {
	private readonly loading = new Set<string>();

	constructor(
		private readonly requests: Requests,
		private readonly room: (id: number) => RoomState | undefined,
		private readonly update: (id: number, change: (state: RoomState) => RoomState) => void,
	) {}

	/** Loads the page before what is shown; true when something came. */
	older(id: number, limit = PAGE): Promise<boolean> {
		return this.once(`older-${id}`, async () => {
			const state = this.room(id);
			const where = state?.island ? "island" : "tail";
			const segment = state?.[where];
			if (!segment || segment.complete) return false;
			const page = await this.page(id, segment.from, limit);
			const later = await this.changesSince(id, [page]);
			this.update(id, (now) =>
				now[where]?.from === segment.from
					? rooms.withOlder(now, where, page.messages, page.more, page.upto, later)
					: now,
			);
			return true;
		});
	}

	/** Loads what follows the stretch of the past that is shown; true when something came. */
	newer(id: number): Promise<boolean> {
		return this.once(`newer-${id}`, async () => {
			const island = this.room(id)?.island;
			const tail = this.room(id)?.tail;
			if (!island || !tail) return false;
			// A page ends before a position: at most 100 positions on, one page would hold them all.
			const to = Math.min(island.to + LARGEST_PAGE, tail.from - 1);
			const pages = await this.pagesBack(id, to + 1, island.to + 1);
			const later = await this.changesSince(id, pages);
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
			const later = await this.changesSince(id, pages);
			this.update(id, (now) => rooms.withIsland(now, pages, before, later));
		} else this.update(id, rooms.leftIsland);
		const now = this.room(id);
		return findMessage(now?.island ?? now?.tail ?? null, seq) !== undefined;
	}

	/** One message as it stands now; null if there is none at `seq`. */
	async message(id: number, seq: number): Promise<{ message: Message; upto: number } | null> {
		const page = await this.page(id, seq + 1, 1);
		const message = page.messages.find((candidate) => candidate.seq === seq);
		return message ? { message, upto: page.upto } : null;
	}

	/** Asks anew for a message whose text is not known any more. */
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
	 * The server cuts a page with long messages to its newest part, however few were asked for.
	 */
	private async pagesBack(room: number, before: number, from: number): Promise<Page[]> {
		const pages: Page[] = [];
		let oldest = before;
		while (oldest > from) {
			const page = await this.page(room, oldest, LARGEST_PAGE);
			pages.push(page);
			const first = page.messages[0]?.seq;
			if (!page.more || first === undefined || first >= oldest) break;
			oldest = first;
		}
		return pages;
	}

	/** The events between the position of pages and the first change that the room's state remembers. */
	private async changesSince(id: number, pages: Page[]): Promise<RoomEvent[]> {
		const state = this.room(id);
		const changes: RoomEvent[] = [];
		let after = Math.min(...pages.map((page) => page.upto));
		while (state && after < state.mutationsSince) {
			const batch = await this.requests.ask<Batch>({ t: "sync", room: id, after, limit: SYNC_LIMIT });
			const last = batch.events.at(-1)?.seq;
			if (last === undefined) break;
			changes.push(...batch.events);
			after = last;
		}
		return changes;
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
