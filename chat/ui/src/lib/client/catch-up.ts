import type { Batch, RoomEvent } from "./frames";
import { RequestError, type Requests } from "./requests";
import { Sequence } from "./sequence";

const SYNC_LIMIT = 500;
/** The wait after a gap in the events, in case the missing frame is about to come. */
const GAP_GRACE_MS = 200;
/** The wait after a head newer than ours, because its events are probably on their way. */
const HEAD_GRACE_MS = 1_000;
/** The wait after `hello`, because the server pushes missed events by itself. */
const RESUME_GRACE_MS = 3_000;
const RETRY_SECONDS = 2;

export interface CatchUpHooks {
	/** Events of a room in seq order, without a gap, each once. */
	apply: (room: number, events: RoomEvent[]) => void;
	/** The room has another epoch than the one that was followed. */
	newEpoch: (room: number, epoch: number, head: number) => void;
	/** The server says that the person is no longer in the room. */
	gone: (room: number) => void;
	/** Whether some room is being brought up to date. */
	busy: (busy: boolean) => void;
	connected: () => boolean;
}

/**
 * Follows the positions of all rooms and asks for what is missing.
 *
 * Live events are a hint: a gap shows when a later event comes, or, in a room that has gone quiet, when the
 * server's `heads` are newer. `sync` then brings the events after the last contiguous position.
 */
export class CatchUp {
	private readonly sequences = new Map<number, Sequence>();
	private readonly timers = new Map<number, ReturnType<typeof setTimeout>>();
	private readonly syncing = new Set<number>();

	constructor(
		private readonly requests: Requests,
		private readonly hooks: CatchUpHooks,
	) {}

	/** Starts at `last`; the server is known to have events up to `head`. */
	follow(room: number, epoch: number, last: number, head = last): void {
		const sequence = new Sequence(epoch, last, Math.max(head, last));
		this.sequences.set(room, sequence);
		if (sequence.gap) this.syncSoon(room, RESUME_GRACE_MS);
	}

	forget(room: number): void {
		clearTimeout(this.timers.get(room));
		this.timers.delete(room);
		this.sequences.delete(room);
	}

	/** Takes in events from the server. */
	accept(room: number, events: RoomEvent[]): void {
		const sequence = this.sequences.get(room);
		if (!sequence) return;
		const ready = sequence.accept(events);
		if (ready.length > 0) this.hooks.apply(room, ready);
		if (sequence.gap) this.syncSoon(room, GAP_GRACE_MS);
	}

	/** The server's position in a room, from `heads` or from an acknowledgement. */
	heard(room: number, epoch: number, head: number): void {
		const sequence = this.sequences.get(room);
		if (!sequence) return;
		if (epoch !== sequence.epoch) {
			this.hooks.newEpoch(room, epoch, head);
			return;
		}
		sequence.heard(head);
		if (sequence.gap) this.syncSoon(room, HEAD_GRACE_MS);
	}

	/** The connection is gone; positions stay until the next `welcome`. */
	stop(): void {
		for (const timer of this.timers.values()) clearTimeout(timer);
		this.timers.clear();
	}

	/** Asks for missing events, unless they come by themselves within `graceMs`. */
	private syncSoon(room: number, graceMs: number): void {
		if (this.timers.has(room) || this.syncing.has(room)) return;
		const from = this.sequences.get(room)?.last;
		const timer = setTimeout(() => {
			this.timers.delete(room);
			const sequence = this.sequences.get(room);
			if (!sequence?.gap) return;
			if (sequence.last !== from) this.syncSoon(room, graceMs);
			else void this.sync(room, sequence);
		}, graceMs);
		this.timers.set(room, timer);
	}

	private async sync(room: number, sequence: Sequence): Promise<void> {
		this.syncing.add(room);
		this.hooks.busy(true);
		let againSeconds: number | null = null;
		try {
			while (sequence.gap && this.sequences.get(room) === sequence) {
				const after = sequence.last;
				const batch = await this.requests.ask<Batch>({ t: "sync", room, after, limit: SYNC_LIMIT });
				if (this.sequences.get(room) !== sequence) return;
				sequence.heard(batch.head);
				this.accept(room, batch.events);
				// Nothing came: the hint was wrong, or the server cannot tell yet. The next `heads` asks again.
				if (sequence.last === after) sequence.head = sequence.last;
			}
		} catch (error) {
			if (!(error instanceof RequestError)) throw error;
			if (error.code === "not_found" || error.code === "not_member") this.hooks.gone(room);
			else againSeconds = error.retryAfterSeconds ?? RETRY_SECONDS;
		} finally {
			this.syncing.delete(room);
			this.hooks.busy(this.syncing.size > 0);
			if (againSeconds !== null && this.hooks.connected()) this.syncSoon(room, againSeconds * 1000);
		}
	}
}
