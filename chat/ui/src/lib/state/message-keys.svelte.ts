import { tick } from "svelte";
import { isComposing } from "../keys";

const ROW = "article[data-row-key]";
/** What a message has to press or to scroll, in order. */
const PARTS = "a[href], button:not(:disabled), pre[tabindex], table[tabindex]";
/** Of the view, so that a line stands on both pages. */
const PAGE = 0.85;

/** What the list does for its keyboard. */
export interface MessageListParts {
	list: () => HTMLElement;
	/** The stops before and after all that is in the list. */
	before: () => HTMLElement;
	after: () => HTMLElement;
	/** Put more into the document, where there is more. */
	older: () => Promise<void>;
	newer: () => Promise<void>;
	toLatest: () => Promise<void>;
	/** To where one writes. */
	leave: () => void;
}

/**
 * The keyboard in the list of messages. Tab stops once, at `chosen`; up and down go from message to message,
 * right and left through what is in one. A letter presses the button of the message that has it as its
 * `aria-keyshortcuts`.
 */
export class MessageKeys {
	/** The row that Tab stops at, by its `data-row-key`; null: the newest. */
	chosen = $state<string | null>(null);
	/** A letter is meant for the message only when keys led to it; who clicked on it may believe to be writing. */
	private byKeys = false;

	constructor(private readonly parts: MessageListParts) {}

	/** Whether something in the list has the focus. */
	get within(): boolean {
		return this.parts.list()?.contains(document.activeElement) ?? false;
	}

	pointed(): void {
		this.byKeys = false;
	}

	/** For every key on the page: Tab may lead into the list. */
	pressed(event: KeyboardEvent): void {
		if (event.key === "Tab") this.byKeys = true;
	}

	focused(event: FocusEvent): void {
		const row = rowOf(event.target);
		const from = event.relatedTarget as Node | null;
		const enters = !this.parts.list().contains(from);
		// What scrolls sideways is a stop of its own to the browser.
		if (enters && this.byKeys && row !== event.target) this.focusStop();
		else if (row) this.chosen = row.dataset.rowKey ?? null;
	}

	/** The row that had the focus is not in the document any more. */
	focusStop(): void {
		this.parts.list().querySelector<HTMLElement>(`${ROW}[tabindex="0"]`)?.focus({ preventScroll: true });
	}

	keydown(event: KeyboardEvent): void {
		if (event.defaultPrevented || isComposing(event) || event.altKey || event.ctrlKey || event.metaKey)
			return;
		const { key, shiftKey } = event;
		if (key === "Tab") {
			// The browser goes on from there.
			(shiftKey ? this.parts.before() : this.parts.after()).focus({ preventScroll: true });
			return;
		}
		const row = rowOf(event.target);
		if (!row) return;
		const onRow = event.target === row;
		if (key === "ArrowUp") void this.step(row, -1);
		else if (key === "ArrowDown") void this.step(row, 1);
		else if (key === "ArrowRight" || key === "ArrowLeft") {
			const step = key === "ArrowRight" ? 1 : -1;
			if (scrollsOn(event.target as HTMLElement, step)) return;
			goThrough(row, event.target as HTMLElement, step);
		} else if (key === "PageUp") this.page(-1);
		else if (key === "PageDown") this.page(1);
		else if (key === "Home") this.go(this.rows()[0]);
		else if (key === "End") void this.parts.toLatest().then(() => this.go(this.rows().at(-1)));
		else if (key === "Escape") {
			if (onRow) this.parts.leave();
			else row.focus();
		} else {
			const shortcut = this.byKeys && (onRow || key !== "Enter") ? shortcutOf(event) : null;
			const button = shortcut && row.querySelector<HTMLElement>(`[aria-keyshortcuts="${shortcut}"]`);
			if (!button) return;
			button.click();
		}
		event.preventDefault();
		this.byKeys = true;
	}

	private rows(): HTMLElement[] {
		return [...this.parts.list().querySelectorAll<HTMLElement>(ROW)];
	}

	private go(row: HTMLElement | undefined): void {
		if (!row) return;
		row.focus({ preventScroll: true });
		row.scrollIntoView({ block: "nearest" });
	}

	/** To the message above or below; one that is higher than the view is read to its end first. */
	private async step(row: HTMLElement, step: 1 | -1): Promise<void> {
		const list = this.parts.list();
		const [box, view] = [row.getBoundingClientRect(), list.getBoundingClientRect()];
		if (step < 0 ? box.top < view.top - 1 : box.bottom > view.bottom + 1) {
			const hidden = step < 0 ? view.top - box.top : box.bottom - view.bottom;
			list.scrollBy({ top: step * Math.min(hidden, view.height * PAGE) });
			return;
		}
		let next = this.next(row, step);
		if (!next) {
			await (step < 0 ? this.parts.older() : this.parts.newer());
			await tick();
			next = this.next(row, step);
		}
		this.go(next);
	}

	private next(row: HTMLElement, step: 1 | -1): HTMLElement | undefined {
		const rows = this.rows();
		const at = rows.indexOf(row);
		return at < 0 ? undefined : rows[at + step];
	}

	private page(step: 1 | -1): void {
		const list = this.parts.list();
		list.scrollBy({ top: step * list.clientHeight * PAGE });
		const view = list.getBoundingClientRect();
		const inView = this.rows().filter((row) => {
			const box = row.getBoundingClientRect();
			return box.bottom > view.top && box.top < view.bottom;
		});
		(step < 0 ? inView[0] : inView.at(-1))?.focus({ preventScroll: true });
	}
}

function rowOf(target: EventTarget | null): HTMLElement | null {
	return (target as Element | null)?.closest<HTMLElement>(ROW) ?? null;
}

/** Whether the arrow scrolls what has the focus, which it does by itself. */
function scrollsOn(target: HTMLElement, step: 1 | -1): boolean {
	if (!target.matches("pre, table")) return false;
	const rest = target.scrollWidth - target.clientWidth - Math.abs(target.scrollLeft);
	return step > 0 ? rest > 1 : Math.abs(target.scrollLeft) > 1;
}

function goThrough(row: HTMLElement, from: HTMLElement, step: 1 | -1): void {
	const stops = [row, ...row.querySelectorAll<HTMLElement>(PARTS)];
	for (let at = stops.indexOf(from) + step; at >= 0 && at < stops.length; at += step) {
		stops[at]?.focus();
		// What is hidden does not take it.
		if (document.activeElement === stops[at]) return;
	}
}

/** As `aria-keyshortcuts` has it; where letters are not Latin, by the place of the key. */
function shortcutOf({ key, code, shiftKey }: KeyboardEvent): string | null {
	if (key === "+") return "+";
	if (shiftKey) return null;
	if (key === "Enter" || key === "Delete") return key;
	// A Mac has no other.
	if (key === "Backspace") return "Delete";
	if (/^[a-z]$/.test(key)) return key.toUpperCase();
	return /^\p{L}$/u.test(key) && code.startsWith("Key") ? code.slice(3) : null;
}
