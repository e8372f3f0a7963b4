// @ts-check
/** A card: a chart or its table, waiting, empty or failed, always with a way on. */

import { address, ask, Failure } from "analytics/api";
import { element, find, svg } from "analytics/dom";
import { queryOf } from "analytics/page";
import { table } from "analytics/table";
import { words } from "analytics/words";

/**
 * @typedef {import("analytics/page").Choice} Choice
 * @typedef {{title: string, next: string, longer?: boolean}} Nothing
 */

/**
 * What a card is about.
 * @typedef {object} Subject
 * @property {string} operation
 * @property {(choice: Choice) => Record<string, string>} [query] What is asked beside the choice.
 * @property {(choice: Choice) => boolean} [suits] Whether the card makes sense.
 * @property {string} [closed] What to say to who may see the room's numbers and not this.
 * @property {(body: any) => Nothing | null} nothing What to say when there is nothing to draw.
 * @property {(body: any, box: HTMLElement) => (() => void) | void} draw Returns what stops it.
 * @property {(body: any) => {columns: import("analytics/table").Column[], rows: import("analytics/types").Row[]}} table
 */

/** Opens the doors that a person can take from an empty or failed card. Set by the page. */
export const ways = {
	/** @type {(() => void) | null} A longer period, if there is one. */
	longer: null,
	longerName: "",
	/** @param {Failure} _failure @param {() => void} again @returns {HTMLElement[]} */
	out: (_failure, again) => [button(words.tryAgain, again)],
};

/** @param {string} text @param {() => void} act */
export function button(text, act) {
	const made = element("button", { class: "v-button", type: "button" }, text);
	made.onclick = act;
	return made;
}

/** @param {string} code */
export function explain(code) {
	/** @type {Record<string, string>} */
	const texts = {
		not_signed_in: words.signedOut,
		not_found: words.goneRoom,
		forbidden: words.goneRoom,
		bad_request: words.badPeriod,
		rate_limited: words.tooFast,
		unavailable: words.unavailable,
		network: words.network,
	};
	return texts[code] ?? words.unknown;
}

export class Card {
	/** @param {string} name @param {Subject} subject */
	constructor(name, subject) {
		this.subject = subject;
		this.root = find(`[data-card="${name}"]`);
		this.title = find("h2", this.root).textContent ?? "";
		this.box = find("[data-body]", this.root);
		this.toggle = find("[data-table]", this.root);
		/** @type {HTMLAnchorElement} */
		this.link = find("[data-csv]", this.root);
		/** @type {any} */
		this.body = null;
		this.asTable = false;
		/** @type {(() => void) | void} */
		this.stop = undefined;
		/** @type {AbortController | null} */
		this.running = null;
		/** @type {Choice | null} */
		this.choice = null;
		this.toggle.onclick = () => {
			this.asTable = !this.asTable;
			this.toggle.setAttribute("aria-pressed", String(this.asTable));
			if (this.body !== null) this.render();
		};
	}

	/**
	 * Something else is on its way: what is there stays, pale, until it comes.
	 * @param {Choice} choice @param {boolean} quietly Nobody is to notice.
	 */
	expect(choice, quietly = false) {
		this.choice = choice;
		this.running?.abort();
		this.running = null;
		this.root.hidden = this.subject.suits ? !this.subject.suits(choice) : false;
		this.point(choice);
		if (quietly) return;
		if (this.body !== null) this.box.setAttribute("aria-busy", "true");
		this.root.dataset.state = "waiting";
	}

	/** Loads and shows what was chosen. @param {Choice} choice @param {boolean} quietly As above. */
	async load(choice, quietly = false) {
		this.expect(choice, quietly);
		if (this.root.hidden) return;
		const running = new AbortController();
		this.running = running;
		const whole = this.whole(choice);
		try {
			const answer = await ask(this.subject.operation, whole, { signal: running.signal });
			if (running.signal.aborted) return;
			this.take(answer?.body);
		} catch (error) {
			if (running.signal.aborted) return;
			// What is there is better than nothing while the server is away for a moment.
			if (!quietly) this.fail(error instanceof Failure ? error : new Failure("unknown"));
		} finally {
			if (this.running === running) this.box.removeAttribute("aria-busy");
		}
	}

	/** @param {Choice} choice @param {Record<string, string>} more */
	whole(choice, more = {}) {
		const beside = { ...this.subject.query?.(choice), ...more };
		return new URLSearchParams([...queryOf(choice), ...Object.entries(beside)]);
	}

	/** Where the table is to be had, for a card whose numbers come by another way. @param {Choice} choice */
	point(choice) {
		this.link.href = address(this.subject.operation, this.whole(choice, { format: "csv" }));
		if (this.body === null) this.wait();
	}

	/** @param {any} body */
	take(body) {
		this.body = body;
		this.render();
	}

	render() {
		this.clear();
		const nothing = this.subject.nothing(this.body);
		this.toggle.hidden = nothing !== null;
		this.link.hidden = nothing !== null;
		if (nothing !== null) {
			this.box.append(nothingHere(nothing));
		} else if (this.asTable) {
			const { columns, rows } = this.subject.table(this.body);
			this.box.append(table(this.title, columns, rows));
		} else this.stop = this.subject.draw(this.body, this.box);
		this.root.dataset.state = nothing === null ? "ready" : "empty";
	}

	wait() {
		this.clear();
		this.box.append(element("div", { class: "n-waiting" }));
		this.root.dataset.state = "waiting";
	}

	/** @param {Failure} failure */
	fail(failure) {
		this.clear();
		this.body = null;
		this.toggle.hidden = true;
		this.link.hidden = true;
		const again = () => {
			if (this.choice) void this.load(this.choice);
		};
		const closed = failure.code === "forbidden" ? this.subject.closed : undefined;
		this.box.append(
			element(
				"div",
				{ class: "n-nothing", role: "alert" },
				element("b", {}, closed ? words.closedTitle : words.failedTitle),
				element("p", {}, closed ?? explain(failure.code)),
				...(closed ? [] : ways.out(failure, again)),
			),
		);
		this.root.dataset.state = "failed";
	}

	clear() {
		this.stop?.();
		this.stop = undefined;
		this.box.replaceChildren();
	}
}

/** @param {Nothing} nothing */
function nothingHere({ title, next, longer }) {
	const picture = svg(
		"svg",
		{
			viewBox: "0 0 36 36",
			fill: "none",
			stroke: "currentColor",
			"stroke-width": "2",
			"aria-hidden": "true",
		},
		svg("path", {
			d: "M6 30V14M15 30V22M24 30V18M33 30V26",
			"stroke-linecap": "round",
			"stroke-dasharray": "0.1 4",
		}),
		svg("path", { d: "M3 33.5H36", "stroke-linecap": "round" }),
	);
	return element(
		"div",
		{ class: "n-nothing" },
		picture,
		element("b", {}, title),
		element("p", {}, next),
		longer && ways.longer ? button(words.show(ways.longerName), ways.longer) : null,
	);
}
