import { type Item, indexOf } from "../client/history";

/** The number of rows in the document is limited: a room may have 100,000 messages. */
const FIRST = 100;
const STEP = 60;
const MOST = 320;
/** How many more there may be while the end is followed: removing a row at the top moves all others. */
const SPARE = 20;
/** How many rows are added at the end at a time: with more, a key pressed meanwhile would have to wait. */
const SLICE = 6;
/** Enough rows for a list that is not very high. */
const SCREEN = 30;

interface Range {
	/** Indices of the first item, and of the one after the last. */
	start: number;
	end: number;
	/** More rows have to be added to the document, at one of its ends: see `step`. */
	behind: boolean;
}

/**
 * Which of the loaded items are in the document. It follows the newest until it is held.
 *
 * Messages that arrive together are added to the document in slices, one with each `step`. If more than a screenful
 * waits, messages that would only rush past are drawn later: the newest screenful is shown, and the steps fill in what
 * is above it.
 */
export class RowWindow {
	/** The position of the first item; null: as far back from the end as is shown at first. */
	private top = $state<number | null>(null);
	/** The position of the last item; null follows the end, as far as the limit on rows allows. */
	private bottom = $state<number | null>(null);
	private steps = $state(0);
	/** The positions of what was in the document last; null: nothing to continue from. */
	private drawn: { from: number; to: number; cut: boolean; behindAt: number | null } | null = null;

	/** How far the end may be extended while it is followed. */
	private readonly limit = $derived.by(() => {
		const items = this.items();
		// If it is held at the top, it grows with what comes to the end, but not forever.
		return this.top === null ? items.length : Math.min(items.length, indexOf(items, this.top) + MOST);
	});
	private readonly range: Range = $derived.by(() => {
		const items = this.items();
		if (this.bottom === null) return this.followed(items);
		this.drawn = null;
		const end = Math.min(items.length, indexOf(items, this.bottom) + 1);
		return {
			start: this.top === null ? Math.max(0, end - FIRST) : this.startAt(items, end),
			end,
			behind: false,
		};
	});

	/** `items`: the loaded items, oldest first; `atOnce`: items that must not wait for a step. */
	constructor(
		private readonly items: () => Item[],
		private readonly atOnce: (item: Item) => boolean = () => false,
	) {}

	get start(): number {
		return this.range.start;
	}

	get end(): number {
		return this.range.end;
	}

	get behind(): boolean {
		return this.range.behind;
	}

	/** New items at the end are added to the document. */
	get following(): boolean {
		return this.bottom === null && this.limit === this.items().length;
	}

	/** Adds the next slice to the document; call it once per frame while `behind`. */
	step(): void {
		this.steps++;
	}

	private startAt(items: Item[], end: number): number {
		return Math.min(indexOf(items, this.top as number), end);
	}

	private followed(items: Item[]): Range {
		const { drawn, limit } = this;
		const upTo = drawn === null ? limit : Math.min(limit, indexOf(items, drawn.to + 1));
		const waiting = limit - upTo;
		const skips = this.top === null && waiting > SCREEN;
		// One slice per step, even if more arrives between two.
		const slice = drawn?.behindAt === this.steps ? 0 : SLICE;
		const whole = waiting <= slice || skips || items.slice(upTo, limit).some(this.atOnce);
		const end = whole ? limit : upTo + slice;
		let cut = skips || (drawn?.cut ?? false);
		let start: number;
		if (this.top !== null) {
			start = this.startAt(items, end);
			cut = false;
		} else if (skips) {
			start = end - SCREEN;
		} else {
			const from = drawn === null ? 0 : indexOf(items, drawn.from);
			const least = Math.max(0, end - FIRST);
			if (cut) start = Math.max(least, whole ? from - slice : from);
			else start = end - from > FIRST + SPARE || from > least ? least : from;
			cut &&= start > least;
		}
		const last = items[end - 1];
		const behind = cut || end < limit;
		const behindAt = behind ? this.steps : null;
		this.drawn = last ? { from: items[start]?.seq ?? last.seq, to: last.seq, cut, behindAt } : null;
		return { start, end, behind };
	}

	/** Back to the newest. */
	follow(): void {
		if (this.top === null && this.bottom === null) return;
		this.drawn = null;
		this.top = this.bottom = null;
	}

	/** Stays where it is, so that messages being read do not leave the document. */
	hold(): void {
		const { start, end } = this;
		this.top ??= this.seqAt(start);
		if (end - start > MOST) this.bottom ??= this.seqAt(end - 1);
	}

	/** Drops what was scrolled past on the way to the end. */
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
		this.drawn = null;
		this.top ??= this.seqAt(start);
		this.bottom = newest && to === length ? null : this.seqAt(to - 1);
		if (to - start > MOST) this.top = this.seqAt(to - MOST);
	}

	/** Holds the item at index `at` with the items around it. */
	around(at: number, newest: boolean): void {
		const { length } = this.items();
		this.drawn = null;
		this.top = this.seqAt(Math.max(0, at - STEP));
		this.bottom = newest && at + STEP >= length ? null : this.seqAt(Math.min(length - 1, at + STEP));
	}

	private seqAt(index: number): number | null {
		return this.items()[index]?.seq ?? null;
	}
}
