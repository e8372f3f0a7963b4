/** The numbers at the top, which move as messages come. */

import type { Totals } from "./answers";
import { element, find } from "./dom";
import { brief, duration, number, percent } from "./format";
import { words } from "./words";

type Name = keyof Totals;

const COUNTERS: { key: Name; label: string; text?: (n: number) => string; note?: string }[] = [
	{ key: "messages", label: words.messages },
	{ key: "replies", label: words.replies },
	{ key: "people", label: words.peopleActive },
	{ key: "rooms", label: words.roomsActive },
	{ key: "reactions", label: words.reactions },
	{ key: "joins", label: words.joins },
	{ key: "characters", label: words.characters },
	{ key: "median_seconds", label: words.firstReply, text: duration, note: words.medianNote },
];

export class Counters {
	private readonly list = find("[data-counters]");
	private now: Totals = {};
	private before: Totals = {};

	/** New numbers of the same choice; what changed shows it. */
	move(totals: Totals): void {
		const old = this.now;
		this.now = { ...old, ...totals };
		this.draw((key) => old[key] !== undefined && old[key] !== this.now[key]);
	}

	/** What the period before had. */
	compare(totals: Totals | undefined): void {
		this.before = { ...this.before, ...totals };
		this.draw(() => false);
	}

	/** Another choice. */
	forget(): void {
		this.now = {};
		this.before = {};
	}

	private draw(moved: (key: Name) => boolean): void {
		for (const { key, label, text, note } of COUNTERS) {
			const value = this.now[key];
			const old = this.list.querySelector(`[data-counter="${key}"]`);
			if (value === undefined || value === null) {
				// A number that does not suit the choice, or has not come.
				if (value === null || this.now.messages === undefined) old?.remove();
				continue;
			}
			const shown = text ? text(value) : brief(value);
			const made = element(
				"li",
				{
					class: "n-counter",
					"data-counter": key,
					"data-testid": `counter-${key}`,
					"data-value": String(value),
				},
				element("h3", {}, label),
				element("b", { title: text ? shown : number(value) }, shown),
				note ? element("p", {}, note) : comparison(value, this.before[key]),
			);
			if (moved(key)) made.classList.add("moved");
			if (old) old.replaceWith(made);
			else this.insert(made, key);
		}
	}

	/** At its place among those that are there. */
	private insert(made: HTMLElement, key: Name): void {
		const later = COUNTERS.slice(COUNTERS.findIndex((one) => one.key === key) + 1);
		const next = later
			.map((one) => this.list.querySelector(`[data-counter="${one.key}"]`))
			.find((one) => one);
		this.list.insertBefore(made, next ?? null);
	}
}

/** A number against that of the period before. */
export function comparison(value: number, before: number | null | undefined): HTMLElement {
	if (before === undefined || before === null) return element("p", {}, "\u00a0");
	if (before === 0) return element("p", {}, value === 0 ? words.same : words.nothingBefore);
	if (before === value) return element("p", {}, words.same);
	if (value >= 10 * before) {
		return element("p", { class: "is-up" }, words.manyTimes(brief(Math.round(value / before))));
	}
	return element("p", { class: value > before ? "is-up" : "is-down" }, words.against(percent(value, before)));
}
