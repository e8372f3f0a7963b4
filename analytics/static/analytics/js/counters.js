// @ts-check
/** The numbers at the top, which move as messages come. */

import { element, find } from "analytics/dom";
import { brief, duration, number, percent } from "analytics/format";
import { words } from "analytics/words";

/** @typedef {import("analytics/types").Totals} Totals */

/** @type {{key: string, label: string, text?: (n: number) => string, note?: string}[]} */
const COUNTERS = [
	{ key: "messages", label: words.messages },
	{ key: "people", label: words.peopleActive },
	{ key: "rooms", label: words.roomsActive },
	{ key: "reactions", label: words.reactions },
	{ key: "joins", label: words.joins },
	{ key: "characters", label: words.characters },
	{ key: "median_seconds", label: words.firstReply, text: duration, note: words.medianNote },
];

export class Counters {
	constructor() {
		this.list = find("[data-counters]");
		/** @type {Totals} */
		this.now = {};
		/** @type {Totals} */
		this.before = {};
	}

	/** New numbers of the same choice; what changed shows it. @param {Totals} totals */
	move(totals) {
		const old = this.now;
		this.now = { ...old, ...totals };
		this.draw((key) => old[key] !== undefined && old[key] !== this.now[key]);
	}

	/** What the period before had. @param {Totals} totals */
	compare(totals) {
		this.before = { ...this.before, ...totals };
		this.draw(() => false);
	}

	/** Another choice. */
	forget() {
		this.now = {};
		this.before = {};
	}

	/** @param {(key: string) => boolean} moved */
	draw(moved) {
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
				note ? element("p", {}, note) : this.comparison(key, value),
			);
			if (moved(key)) made.classList.add("moved");
			if (old) old.replaceWith(made);
			else this.insert(made, key);
		}
	}

	/** At its place among those that are there. @param {HTMLElement} made @param {string} key */
	insert(made, key) {
		const later = COUNTERS.slice(COUNTERS.findIndex((one) => one.key === key) + 1);
		const next = later
			.map((one) => this.list.querySelector(`[data-counter="${one.key}"]`))
			.find((one) => one);
		this.list.insertBefore(made, next ?? null);
	}

	/** @param {string} key @param {number} value */
	comparison(key, value) {
		const before = this.before[key];
		if (before === undefined || before === null) return element("p", {}, "\u00a0");
		if (before === 0) return element("p", {}, value === 0 ? words.same : words.nothingBefore);
		if (before === value) return element("p", {}, words.same);
		if (value >= 10 * before) {
			return element("p", { class: "is-up" }, words.manyTimes(brief(Math.round(value / before))));
		}
		return element(
			"p",
			{ class: value > before ? "is-up" : "is-down" },
			words.against(percent(value, before)),
		);
	}
}
