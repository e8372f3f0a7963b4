import { type IDBPDatabase, openDB } from "idb";
import type { ErrorCode } from "./frames";
import type { Appending } from "./requests";

type WithoutKey<T> = T extends Appending ? Omit<T, "key"> : never;
/** What a person asked for, before it has a key. */
export type Intent = WithoutKey<Appending>;

/** Whether it is a message of its own, and not a change of one. */
export function isMessage(
	intent: Intent,
): intent is Extract<Intent, { body: string; reply_to: number | null }> {
	return intent.t === "send" || intent.t === "reply";
}

/** A request that the server has not acknowledged yet. */
export interface OutboxItem {
	/** Sorts by the time of asking. */
	id: string;
	intent: Intent;
	/** Set right before the first transmission and never changed: a repeat must have the same key. */
	key: string | null;
	createdAt: number;
	/** Why the server finally refused it; it then waits for the person to decide. */
	failed: { code: ErrorCode; message: string; reason?: string | undefined } | null;
}

export interface OutboxStore {
	/** All items in the order of asking. */
	all(): Promise<OutboxItem[]>;
	put(item: OutboxItem): Promise<void>;
	remove(id: string): Promise<void>;
}

const ITEMS = "items";

/** The outbox of one person in this browser; it survives reloads and crashes of the page. */
export class IndexedDbOutboxStore implements OutboxStore {
	private constructor(private readonly db: IDBPDatabase) {}

	/** Rejects if the browser keeps no databases (some private modes). */
	static async open(userId: number): Promise<IndexedDbOutboxStore> {
		const db = await openDB(`veche-outbox-${userId}`, 1, {
			upgrade: (database) => void database.createObjectStore(ITEMS, { keyPath: "id" }),
		});
		return new IndexedDbOutboxStore(db);
	}

	all(): Promise<OutboxItem[]> {
		return this.db.getAll(ITEMS);
	}

	async put(item: OutboxItem): Promise<void> {
		// Strict: on disk before it is sent, so that a crash cannot lose the key of a message in flight.
		const transaction = this.db.transaction(ITEMS, "readwrite", { durability: "strict" });
		await Promise.all([transaction.store.put(item), transaction.done]);
	}

	async remove(id: string): Promise<void> {
		await this.db.delete(ITEMS, id);
	}
}

/** How long the browser's disk may take before an item counts as not saved. */
export const DISK_PATIENCE_MS = 3_000;

/**
 * Keeps in memory what cannot be saved on disk: a full quota, a private mode, a database that hangs.
 *
 * An item in memory is lost with the page, and other tabs do not see it; `volatile` is notified. `disk` is null
 * if the browser keeps no databases. Nothing here rejects, so that what a person wrote is never dropped.
 */
export class ResilientOutboxStore implements OutboxStore {
	/** Items that could not be saved on disk. */
	private memory = new Map<string, OutboxItem>();
	/** Items that could not be deleted from disk; a repeat from a later page is harmless, because it has the same key. */
	private gone = new Set<string>();
	private seen = new Map<string, OutboxItem>();

	constructor(
		private readonly disk: OutboxStore | null,
		private readonly volatile: (items: number) => void,
	) {}

	async all(): Promise<OutboxItem[]> {
		try {
			const kept = this.disk ? await inTime(this.disk.all()) : [];
			this.seen = new Map(kept.map((item) => [item.id, item]));
		} catch {
			// The result of the last read still holds.
		}
		const items = new Map([...this.seen, ...this.memory]);
		for (const id of this.gone) items.delete(id);
		return [...items.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
	}

	async put(item: OutboxItem): Promise<void> {
		try {
			if (!this.disk) throw new Error("no disk");
			await inTime(this.disk.put(item));
			this.seen.set(item.id, item);
			this.memory.delete(item.id);
		} catch {
			this.memory.set(item.id, item);
		}
		this.volatile(this.memory.size);
	}

	async remove(id: string): Promise<void> {
		this.memory.delete(id);
		this.gone.add(id);
		try {
			if (this.disk) await inTime(this.disk.remove(id));
			this.gone.delete(id);
			this.seen.delete(id);
		} catch {
			// `all` leaves it out.
		}
		this.volatile(this.memory.size);
	}
}

/** `work`, or a rejection if it takes longer than the disk may. */
export async function inTime<T>(work: Promise<T>): Promise<T> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new Error("the browser's disk does not answer")), DISK_PATIENCE_MS);
	});
	try {
		return await Promise.race([work, late]);
	} finally {
		clearTimeout(timer);
	}
}
