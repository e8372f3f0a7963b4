import { backoffMs } from "./backoff";
import type { Marker } from "./frames";

/** A read marker as the person set it: everything after `seq` is unread. */
export interface SetMarker {
	room: number;
	seq: number;
	/** When, by the server's clock in ms: what is set later holds. */
	setAtMs: number;
}

/** Keeps what the server has not confirmed, across reloads. */
export interface SetMarkerStore {
	load: () => SetMarker[];
	save: (markers: SetMarker[]) => void;
}

/** What one request to the server may hold. */
const AT_ONCE = 1_000;

/** Markers that the person set and the server has not confirmed yet. Sending one twice changes nothing. */
export class MarkersByHand {
	private readonly waiting: Map<number, SetMarker>;
	private sending = false;
	private attempt = 0;
	private timer: ReturnType<typeof setTimeout> | undefined;

	/**
	 * `send` gives the markers as they are afterwards, null if the server refuses them for good; it rejects if they
	 * should be sent again.
	 */
	constructor(
		private readonly send: (markers: SetMarker[]) => Promise<Marker[] | null>,
		private readonly store: SetMarkerStore,
		private readonly confirmed: (markers: Marker[]) => void,
	) {
		this.waiting = new Map(store.load().map((marker) => [marker.room, marker]));
	}

	of(room: number): SetMarker | undefined {
		return this.waiting.get(room);
	}

	set(markers: SetMarker[]): void {
		for (const marker of markers) this.waiting.set(marker.room, marker);
		this.changed();
		void this.run();
	}

	/** The person has read on in a room whose marker waits here: it goes along. False if none waits. */
	readOn(room: number, seq: number): boolean {
		const marker = this.waiting.get(room);
		if (!marker) return false;
		if (seq > marker.seq) this.set([{ ...marker, seq }]);
		return true;
	}

	/** The server is there again. */
	resume(): void {
		this.attempt = 0;
		void this.run();
	}

	stop(): void {
		clearTimeout(this.timer);
	}

	private async run(): Promise<void> {
		if (this.sending) return;
		this.sending = true;
		clearTimeout(this.timer);
		try {
			for (let next = this.next(); next.length > 0; next = this.next()) {
				const markers = await this.send(next);
				// One that was set again meanwhile is sent again.
				for (const sent of next) if (this.waiting.get(sent.room) === sent) this.waiting.delete(sent.room);
				this.changed();
				this.attempt = 0;
				if (markers) this.confirmed(markers);
			}
		} catch {
			this.timer = setTimeout(() => void this.run(), backoffMs(this.attempt++));
		} finally {
			this.sending = false;
		}
	}

	/** What was set in one go is one request. */
	private next(): SetMarker[] {
		const all = [...this.waiting.values()];
		const first = Math.min(...all.map((marker) => marker.setAtMs));
		return all.filter((marker) => marker.setAtMs === first).slice(0, AT_ONCE);
	}

	private changed(): void {
		this.store.save([...this.waiting.values()]);
	}
}
