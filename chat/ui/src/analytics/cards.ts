/** A card: a chart or its table, waiting, empty or failed, always with a way on. */

import type { Answers, Operation } from "./answers";
import { address, ask, Failure } from "./api";
import { element, find, svg } from "./dom";
import { type Choice, queryOf } from "./page";
import type { Nothing, Subject } from "./subject";
import { table } from "./table";
import { words } from "./words";

interface Ways {
	/** A longer period, if there is one. */
	longer: (() => void) | null;
	longerName: string;
	out(failure: Failure, again: () => void): HTMLElement[];
}

/** The ways on that a person can take from an empty or failed card. Set by the page. */
export const ways: Ways = {
	longer: null,
	longerName: "",
	out: (_failure, again) => [button(words.tryAgain, again)],
};

export function button(text: string, act: () => void): HTMLButtonElement {
	const made = element("button", { class: "v-button", type: "button" }, text);
	made.onclick = act;
	return made;
}

/** The code of a failure in words. */
export function explain(code: string): string {
	const texts: Record<string, string> = {
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

export class Card<Of extends Operation = Operation> {
	private readonly root: HTMLElement;
	private readonly title: string;
	private readonly box: HTMLElement;
	private readonly toggle: HTMLElement;
	private readonly link: HTMLAnchorElement;
	private body: Answers[Of] | null = null;
	private asTable = false;
	private stop: (() => void) | null = null;
	private running: AbortController | null = null;
	private choice: Choice | null = null;

	constructor(
		name: string,
		private readonly subject: Subject<Of>,
	) {
		this.root = find(`[data-card="${name}"]`);
		this.title = find("h2", this.root).textContent ?? "";
		this.box = find("[data-body]", this.root);
		this.toggle = find("[data-table]", this.root);
		this.link = find("[data-csv]", this.root);
		this.toggle.onclick = () => {
			this.asTable = !this.asTable;
			this.toggle.setAttribute("aria-pressed", String(this.asTable));
			if (this.body !== null) this.render(this.body);
		};
	}

	/** Something else is on its way: what is there stays, pale, until it comes. `quietly`: nobody is to notice. */
	expect(choice: Choice, quietly = false): void {
		this.choice = choice;
		this.running?.abort();
		this.running = null;
		this.root.hidden = this.subject.suits ? !this.subject.suits(choice) : false;
		this.point(choice);
		if (quietly) return;
		if (this.body !== null) this.box.setAttribute("aria-busy", "true");
		this.root.dataset.state = "waiting";
	}

	/** Loads and shows what was chosen. `quietly`: as above. */
	async load(choice: Choice, quietly = false): Promise<void> {
		this.expect(choice, quietly);
		if (this.root.hidden) return;
		const running = new AbortController();
		this.running = running;
		const whole = this.whole(choice);
		try {
			const answer = await ask(this.subject.operation, whole, { signal: running.signal });
			if (running.signal.aborted) return;
			if (answer !== null) this.take(answer.body);
		} catch (error) {
			if (running.signal.aborted) return;
			// What is there is better than nothing while the server is unreachable for a moment.
			if (!quietly) this.fail(error instanceof Failure ? error : new Failure("unknown"));
		} finally {
			if (this.running === running) this.box.removeAttribute("aria-busy");
		}
	}

	private whole(choice: Choice, more: Record<string, string> = {}): URLSearchParams {
		const beside = { ...this.subject.query?.(choice), ...more };
		return new URLSearchParams([...queryOf(choice), ...Object.entries(beside)]);
	}

	/** Where the table is to be had, for a card whose numbers come by another way. */
	point(choice: Choice): void {
		this.link.href = address(this.subject.operation, this.whole(choice, { format: "csv" }));
		if (this.body === null) this.wait();
	}

	take(body: Answers[Of]): void {
		this.body = body;
		this.render(body);
	}

	private render(body: Answers[Of]): void {
		this.clear();
		const nothing = this.subject.nothing(body);
		this.toggle.hidden = nothing !== null;
		this.link.hidden = nothing !== null;
		if (nothing !== null) {
			this.box.append(nothingHere(nothing));
		} else if (this.asTable) {
			const { columns, rows } = this.subject.table(body);
			this.box.append(table(this.title, columns, rows));
		} else this.stop = this.subject.draw(body, this.box);
		this.root.dataset.state = nothing === null ? "ready" : "empty";
	}

	private wait(): void {
		this.clear();
		this.box.append(element("div", { class: "n-waiting" }));
		this.root.dataset.state = "waiting";
	}

	private fail(failure: Failure): void {
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

	private clear(): void {
		this.stop?.();
		this.stop = null;
		this.box.replaceChildren();
	}
}

function nothingHere({ title, next, longer }: Nothing): HTMLElement {
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
