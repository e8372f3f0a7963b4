import type { RoomEvent } from "./frames";

/** With more held-back events than this, only `sync` fills the gap. */
const MOST_HELD = 2_000;

/**
 * Puts a room's events in order: returns them without a gap, holds back early ones, drops repeats.
 *
 * `last` is the position up to which everything was returned; `gap` says that something in between is
 * missing and must be asked for with `sync` after `last`.
 */
export class Sequence {
	private held = new Map<number, RoomEvent>();

	constructor(
		public epoch: number,
		public last: number,
		/** Highest seq that the server is known to have. */
		public head = last,
	) {}

	get gap(): boolean {
		return this.head > this.last;
	}

	/** The events that can be applied now, in order, each returned once. */
	accept(events: RoomEvent[]): RoomEvent[] {
		const ready: RoomEvent[] = [];
		for (const event of events) {
			if (event.seq > this.head) this.head = event.seq;
			if (event.seq <= this.last) continue;
			if (event.seq === this.last + 1) this.release(event, ready);
			else if (this.held.size < MOST_HELD) this.held.set(event.seq, event);
		}
		return ready;
	}

	/** Notes that the server has events up to `head`. */
	heard(head: number): void {
		if (head > this.head) this.head = head;
	}

	private release(event: RoomEvent, ready: RoomEvent[]): void {
		let next: RoomEvent | undefined = event;
		while (next) {
			ready.push(next);
			this.last = next.seq;
			this.held.delete(next.seq);
			next = this.held.get(this.last + 1);
		}
		for (const seq of this.held.keys()) if (seq <= this.last) this.held.delete(seq);
	}
}
