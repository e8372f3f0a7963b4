import { type Item, indexOf } from "../client/history";

/** Rows in the document are bounded: a room may hold 100,000 messages. */
const FIRST = 100;
const STEP = 60;
const MOST = 320;

/** Which of the loaded items are in the document. It follows the newest until it is held. */
export class RowWindow {
	/** The position of the first item; null: so far back from the end as is shown at first. */
	private top = $state<number | null>(null);
	/** The position of the last item; null follows the end, as far as the bound on rows lets it. */
	private bottom = $state<number | null>(null);
	readonly end = $derived.by(() => {
		const items = this.items();
		if (this.bottom !== null) return Math.min(items.length, indexOf(items, this.bottom) + 1);
		// Held above, it grows with what comes to the end, but not for ever.
		return this.top === null ? items.length : Math.min(items.length, indexOf(items, this.top) + MOST);
	});
	readonly start = $derived.by(() =>
		this.top === null ? Math.max(0, this.end - FIRST) : Math.min(indexOf(this.items(), this.top), this.end),
	);

	/** `items`: what is loaded, oldest first. */
	constructor(private readonly items: () => Item[]) {}

	/** What comes to the end comes into the document. */
	get following(): boolean {
		return this.bottom === null && this.end === this.items().length;
	}

	/** Back to the newest. */
	follow(): void {
		this.top = this.bottom = null;
	}

	/** Stays where it is, so that what is being read does not leave the document. */
	hold(): void {
		const { start, end } = this;
		this.top ??= this.seqAt(start);
		if (end - start > MOST) this.bottom ??= this.seqAt(end - 1);
	}

	/** Lets go of what was scrolled past on the way to the end. */
	trim(): void {
		if (this.end - this.start > FIRST + STEP) this.top = null;
	}

	growUp(): void {
		const { end } = this;
		const from = Math.max(0, this.start - STEP);
		this.top = this.seqAt(from);
		if (end - from > MOST) this.bottom = this.seqAt(from + MOST - 1);
	}

	/** `newest`: the last loaded item is the room's newest, to be followed once it is reached. */
	growDown(newest: boolean): void {
		const { start, end } = this;
		const { length } = this.items();
		const to = Math.min(length, end + STEP);
		this.top ??= this.seqAt(start);
		this.bottom = newest && to === length ? null : this.seqAt(to - 1);
		if (to - start > MOST) this.top = this.seqAt(to - MOST);
	}

	/** Holds the item at index `at` with what stands around it. */
	around(at: number, newest: boolean): void {
		const { length } = this.items();
		this.top = this.seqAt(Math.max(0, at - STEP));
		this.bottom = newest && at + STEP >= length ? null : this.seqAt(Math.min(length - 1, at + STEP));
	}

	private seqAt(index: number): number | null {
		return this.items()[index]?.seq ?? null;
	}
}
