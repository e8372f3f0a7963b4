import { type IDBPDatabase, openDB } from "idb";
import type { Appending, ErrorCode } from "./frames";

type WithoutKey<T> = T extends Appending ? Omit<T, "key"> : never;
/** What a person asked for, before it has a key. */
export type Intent = WithoutKey<Appending>;

/** A request that the server has not acknowledged yet. */
export interface OutboxItem {
	/** Sorts by the time of asking. */
	id: string;
	intent: Intent;
	/** Given right before the first transmission, then never changed: a repeat must carry the same. */
	key: string | null;
	createdAt: number;
	/** Why the server refused it for good; it then waits for the person to decide. */
	failed: { code: ErrorCode; message: string } | null;
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

	/** Rejects where the browser keeps no databases (some private modes). */
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
		// Strict: on disk before it is sent, so that a crash cannot forget the key of a message under way.
		const transaction = this.db.transaction(ITEMS, "readwrite", { durability: "strict" });
		await Promise.all([transaction.store.put(item), transaction.done]);
	}

	async remove(id: string): Promise<void> {
		await this.db.delete(ITEMS, id);
	}
}

/** Where the browser keeps no databases: what waits is lost with the page. */
export class MemoryOutboxStore implements OutboxStore {
	private items = new Map<string, OutboxItem>();

	async all(): Promise<OutboxItem[]> {
		return [...this.items.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
	}

	async put(item: OutboxItem): Promise<void> {
		this.items.set(item.id, structuredClone(item));
	}

	async remove(id: string): Promise<void> {
		this.items.delete(id);
	}
}
