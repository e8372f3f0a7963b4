import type { ErrorCode, Ok } from "./frames";
import { type Intent, isMessage, type OutboxItem, type OutboxStore } from "./outbox-store";
import { type Appending, RequestError } from "./requests";

/** Refusals that the same request would get again; after all others it is tried again. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
	"bad_request",
	"unknown_type",
	"too_large",
	"empty",
	"not_found",
	"not_member",
	"forbidden",
	"muted",
	"archived",
	"key_conflict",
	"too_many",
]);

/** Refusals that were about the key itself: trying again needs a new one. */
const ABOUT_THE_KEY: ReadonlySet<ErrorCode> = new Set(["key_conflict", "bad_request"]);

const RETRY_SECONDS = 1;
const MOST_RETRY_SECONDS = 30;

/** Runs `work` while no other tab of this browser runs work of the same name. */
export type Lock = (name: string, work: () => Promise<void>) => Promise<void>;

export interface OutboxHooks {
	/** Sends and waits for the answer; rejects with RequestError. */
	transmit: (request: Appending) => Promise<Ok>;
	connected: () => boolean;
	newKey: () => string;
	changed: (items: OutboxItem[]) => void;
	/** The server accepts no message in this room for this long. */
	held: (room: number, seconds: number) => void;
	/** The server will not take this change of a message; it is forgotten, and the message stays as it is. */
	refused: (item: OutboxItem, code: ErrorCode, reason?: string) => void;
	/** Acknowledged: on the server's disk, at `ok.seq`. Reported in every tab. */
	logged: (item: OutboxItem, ok: Ok) => void;
}

type Notice = { t: "changed" } | { t: "logged"; item: OutboxItem; ok: Ok };

/**
 * Keeps what a person wrote until the server has acknowledged it.
 *
 * Per room one request is in flight at a time, in the order of asking and, because of `lock`, in one tab only, so
 * that a later message cannot overtake a refused one. A request is repeated with the same key until it is answered.
 */
export class Outbox {
	private items: OutboxItem[] = [];
	private pumping = new Set<number>();
	private counter = 0;
	/** Rooms in which messages wait for their turn (slow mode); edits and reactions do not. */
	private held = new Set<number>();
	private retries = new Map<number, ReturnType<typeof setTimeout>>();

	constructor(
		private readonly store: OutboxStore,
		private readonly hooks: OutboxHooks,
		private readonly lock: Lock,
		private readonly channel: BroadcastChannel | null,
	) {
		if (channel) channel.onmessage = (message: MessageEvent<Notice>) => void this.noticed(message.data);
	}

	/** Resumes what an earlier page left behind. */
	async load(): Promise<void> {
		this.items = await this.store.all();
		this.hooks.changed(this.items);
		this.resume();
	}

	/** Resolves once the store has the intent; it is sent afterwards. */
	async add(intent: Intent): Promise<void> {
		const createdAt = Date.now();
		const order = `${createdAt.toString().padStart(15, "0")}-${(this.counter++).toString().padStart(6, "0")}`;
		const id = `${order}-${Math.random().toString(36).slice(2, 8)}`;
		const item: OutboxItem = { id, intent, key: null, createdAt, failed: null };
		await this.keep(item);
		void this.pump(intent.room);
	}

	/** Tries everything that waits; call when the connection is back. */
	resume(): void {
		for (const room of new Set(this.items.map((item) => item.intent.room))) void this.pump(room);
	}

	/** Tries messages again that the server would not accept so soon. */
	release(room: number): void {
		if (!this.held.delete(room)) return;
		clearTimeout(this.retries.get(room));
		void this.pump(room);
	}

	/** Tries a refused item again. */
	async retry(id: string): Promise<void> {
		const item = this.items.find((candidate) => candidate.id === id);
		if (!item?.failed) return;
		const key = ABOUT_THE_KEY.has(item.failed.code) ? null : item.key;
		await this.keep({ ...item, key, failed: null });
		void this.pump(item.intent.room);
	}

	/**
	 * Forgets an item that the server has not acknowledged. True if it may have reached the server all the same,
	 * because it was transmitted and no answer came: then it may appear in the room.
	 */
	async discard(id: string): Promise<boolean> {
		const item = this.items.find((candidate) => candidate.id === id);
		if (!item) return false;
		await this.forget(item);
		return item.key !== null && !item.failed;
	}

	private async pump(room: number): Promise<void> {
		if (this.pumping.has(room)) return;
		this.pumping.add(room);
		try {
			let goOn = true;
			while (goOn && this.hooks.connected() && this.nextOf(this.items, room)) {
				await this.lock(`veche-send-${room}`, async () => {
					goOn = await this.transmitNext(room);
				});
			}
		} finally {
			this.pumping.delete(room);
		}
	}

	/** Sends the room's oldest item; false when there is none or the room has to wait. */
	private async transmitNext(room: number): Promise<boolean> {
		// Another tab may have sent it while this one waited for the lock.
		this.items = await this.store.all();
		let item = this.nextOf(this.items, room);
		if (!item || !this.hooks.connected()) {
			this.hooks.changed(this.items);
			return false;
		}
		let key = item.key;
		if (key === null) {
			key = this.hooks.newKey();
			item = { ...item, key };
			await this.keep(item);
		}
		try {
			const ok = await this.hooks.transmit({ ...item.intent, key } as Appending);
			this.hooks.logged(item, ok);
			this.channel?.postMessage({ t: "logged", item, ok } satisfies Notice);
			await this.forget(item);
			return true;
		} catch (error) {
			if (!(error instanceof RequestError)) throw error;
			// It was discarded meanwhile.
			if (!(await this.store.all()).some((other) => other.id === item.id)) return true;
			if (FINAL.has(error.code)) {
				if (!isMessage(item.intent)) {
					await this.forget(item);
					this.hooks.refused(item, error.code, error.reason);
					return true;
				}
				const { code, message, reason } = error;
				await this.keep({ ...item, failed: { code, message, ...(reason === undefined ? {} : { reason }) } });
				return true;
			}
			const seconds = error.retryAfterSeconds ?? RETRY_SECONDS;
			const tooSoon = error.code === "rate_limited" && isMessage(item.intent);
			if (tooSoon) {
				this.held.add(room);
				this.hooks.held(room, seconds);
			}
			this.tryLater(room, seconds);
			return tooSoon;
		}
	}

	private tryLater(room: number, seconds: number): void {
		clearTimeout(this.retries.get(room));
		const waitMs = Math.min(Math.max(seconds, 0.05), MOST_RETRY_SECONDS) * 1000;
		this.retries.set(
			room,
			setTimeout(() => {
				this.held.delete(room);
				void this.pump(room);
			}, waitMs),
		);
	}

	private nextOf(items: OutboxItem[], room: number): OutboxItem | undefined {
		const held = this.held.has(room);
		return items.find(
			(item) => item.intent.room === room && !item.failed && !(held && isMessage(item.intent)),
		);
	}

	/** The store is written first: `items` is its copy, and a concurrent read must not lose the newest item. */
	private async keep(item: OutboxItem): Promise<void> {
		await this.store.put(item);
		const known = this.items.some((other) => other.id === item.id);
		this.items = known
			? this.items.map((other) => (other.id === item.id ? item : other))
			: [...this.items, item];
		this.hooks.changed(this.items);
		this.channel?.postMessage({ t: "changed" } satisfies Notice);
	}

	private async forget(item: OutboxItem): Promise<void> {
		await this.store.remove(item.id);
		this.items = this.items.filter((other) => other.id !== item.id);
		this.hooks.changed(this.items);
		this.channel?.postMessage({ t: "changed" } satisfies Notice);
	}

	private async noticed(notice: Notice): Promise<void> {
		if (notice.t === "logged") {
			this.hooks.logged(notice.item, notice.ok);
			// The tab that sent it may have failed to.
			await this.store.remove(notice.item.id);
		}
		this.items = await this.store.all();
		this.hooks.changed(this.items);
		this.resume();
	}
}
