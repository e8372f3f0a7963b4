import { tick } from "svelte";
import { isComposing } from "../keys";

const ROW = "article[data-row-key]";
/** The interactive and scrollable parts of a message, in order. */
const PARTS = "a[href], button:not(:disabled), pre[tabindex], table[tabindex]";
/** The share of the view to scroll by, so that a line is on both pages. */
const PAGE = 0.85;

/** What the list offers to its keyboard handler. */
export interface MessageListParts {
	list: () => HTMLElement;
	/** The Tab stops before and after everything in the list. */
	before: () => HTMLElement;
	after: () => HTMLElement;
	/** Adds more rows to the document, if there are more. */
	older: () => Promise<void>;
	newer: () => Promise<void>;
	toLatest: () => Promise<void>;
	/** Moves the focus to the message field. */
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
	/** A letter is meant for the message only if keys led to it: after a click, people may think that they are typing. */
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
		// To the browser, anything that scrolls sideways is a separate Tab stop.
		if (enters && this.byKeys && row !== event.target) this.focusStop();
		else if (row) this.chosen = row.dataset.rowKey ?? null;
	}

	/** The row that had the focus is no longer in the document. */
	focusStop(): void {
		this.parts.list().querySelector<HTMLElement>(`${ROW}[tabindex="0"]`)?.focus({ preventScroll: true });
	}

	keydown(event: KeyboardEvent): void {
		if (event.defaultPrevented || isComposing(event) || event.altKey || event.ctrlKey || event.metaKey)
			return;
		const { key, shiftKey } = event;
		if (key === "Tab") {
			// The browser continues from there.
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

	/** To the message above or below; a message taller than the view is scrolled to its end first. */
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

/** Whether the arrow scrolls the focused element, which the browser does by itself. */
function scrollsOn(target: HTMLElement, step: 1 | -1): boolean {
	if (!target.matches("pre, table")) return false;
	const rest = target.scrollWidth - target.clientWidth - Math.abs(target.scrollLeft);
	return step > 0 ? rest > 1 : Math.abs(target.scrollLeft) > 1;
}

function goThrough(row: HTMLElement, from: HTMLElement, step: 1 | -1): void {
	const stops = [row, ...row.querySelectorAll<HTMLElement>(PARTS)];
	for (let at = stops.indexOf(from) + step; at >= 0 && at < stops.length; at += step) {
		stops[at]?.focus();
		// Hidden elements cannot take the focus.
		if (document.activeElement === stops[at]) return;
	}
}

/** The key as `aria-keyshortcuts` names it; for non-Latin letters, by the key's position. */
function shortcutOf({ key, code, shiftKey }: KeyboardEvent): string | null {
	if (key === "+") return "+";
	if (shiftKey) return null;
	if (key === "Enter" || key === "Delete") return key;
	// A Mac keyboard has no other.
	if (key === "Backspace") return "Delete";
	if (/^[a-z]$/.test(key)) return key.toUpperCase();
	return /^\p{L}$/u.test(key) && code.startsWith("Key") ? code.slice(3) : null;
}
