/** The page: what is chosen, what is loaded when, and what happens when it cannot be. */

import "uplot/dist/uPlot.min.css";
import "./analytics.css";
import { ask, type Failure } from "./api";
import { button, Card, explain, ways } from "./cards";
import { Counters } from "./counters";
import { element, find } from "./dom";
import { isoDate, range } from "./format";
import { Live } from "./live";
import { type Choice, chosenByAddress, queryOf, remember, served, zone } from "./page";
import { roomsOpen } from "./rankings";
import { RoomPicker } from "./room-picker";
import { subjects } from "./subjects";
import { words } from "./words";

/** The charts follow the counters at leisure: the longer the period, the less a moment adds. */
const CHARTS_EVERY_MS: Record<string, number> = { "24h": 30_000, "7d": 60_000, "30d": 300_000 };
const LONG_CHARTS_EVERY_MS = 900_000;

const choice = chosenByAddress();
const counters = new Counters();
const cards = new Map(Object.entries(subjects).map(([name, subject]) => [name, new Card(name, subject)]));
const trouble = find("[data-trouble]");
const controls = find<HTMLFormElement>("[data-controls]");
const dates = find("[data-dates]", controls);
const from = find<HTMLInputElement>("[name=from]", controls);
const to = find<HTMLInputElement>("[name=to]", controls);
let chartsAt = 0;
/** So few at a time that the question of every second is never behind them. */
const LANES = 3;
let waiting: Card[] = [];
let comparing: AbortController | null = null;

const live = new Live(
	(body) => {
		counters.move(body.totals);
		cards.get("minutes")?.take({ rows: body.minutes });
		find("[data-range]").textContent = range(body.period.from, body.period.to, body.period.tz);
		if (Date.now() - chartsAt > (CHARTS_EVERY_MS[choice.period] ?? LONG_CHARTS_EVERY_MS)) loadCharts(true);
	},
	(failure) => stopped(failure),
);

const picker = new RoomPicker((room) => choose({ room }));
roomsOpen.open = (room) => {
	picker.show(room);
	choose({ room });
	window.scrollTo({ top: 0 });
	find("#room-picker").focus();
};

/** Something else is to be shown. */
function choose(changes: Partial<Choice>): void {
	Object.assign(choice, changes);
	remember(choice);
	load();
}

function load(): void {
	trouble.hidden = true;
	for (const radio of controls.querySelectorAll<HTMLInputElement>("input[name=period]")) {
		radio.checked = radio.value === choice.period;
	}
	dates.hidden = choice.period !== "custom";
	offerLonger();
	counters.forget();
	live.watch(choice);
	loadCharts(false);
	void compare();
}

function loadCharts(quietly: boolean): void {
	chartsAt = Date.now();
	waiting = [...cards].filter(([name]) => name !== "minutes").map(([, card]) => card);
	for (const card of waiting) card.expect(choice, quietly);
	cards.get("minutes")?.point(choice);
	for (let lane = 0; lane < LANES; lane += 1) void loadWaiting(waiting, quietly);
}

/** Loads what still waits, one card after the other. */
async function loadWaiting(mine: Card[], quietly: boolean): Promise<void> {
	while (mine === waiting) {
		const next = waiting.shift();
		if (next === undefined) return;
		await next.load(choice, quietly);
	}
}

/** The period before, and the reply times, which cost more than what is asked every second. */
async function compare(): Promise<void> {
	comparing?.abort();
	const running = new AbortController();
	comparing = running;
	try {
		const [totals, replies] = await Promise.all([
			ask("totals", queryOf(choice), { signal: running.signal }),
			ask("replies", queryOf(choice), { signal: running.signal }),
		]);
		if (running.signal.aborted) return;
		counters.move({ median_seconds: replies?.body.median_seconds ?? null });
		counters.compare(totals?.body.rows[1]);
	} catch {
		// The counters themselves are there; only what they are compared with is not.
	}
}

/** What an empty card offers. */
function offerLonger(): void {
	const longer: Record<string, [period: string, name: string]> = {
		"24h": ["30d", words.days30],
		"7d": ["30d", words.days30],
		"30d": ["365d", words.year],
		custom: ["365d", words.year],
	};
	const next = longer[choice.period];
	ways.longer = next ? () => choose({ period: next[0], from: "", to: "" }) : null;
	ways.longerName = next ? next[1] : "";
}

ways.out = (failure, again) => {
	if (failure.code === "not_signed_in") return [link(words.signIn, served.signIn)];
	if (failure.code === "not_found" || failure.code === "forbidden")
		return [link(words.showAll, location.pathname)];
	return [button(words.tryAgain, again)];
};

function link(text: string, address: string): HTMLAnchorElement {
	return element("a", { class: "v-button", href: address }, text);
}

/** Nothing more can come until the person does something. */
function stopped(failure: Failure): void {
	trouble.replaceChildren(element("span", {}, explain(failure.code)), ...ways.out(failure, load));
	trouble.hidden = false;
}

controls.addEventListener("change", (event) => {
	const input = event.target as HTMLInputElement;
	if (input.name !== "period") return;
	if (input.value !== "custom") {
		choose({ period: input.value, from: "", to: "" });
		return;
	}
	if (from.value === "") {
		from.value = isoDate(new Date(Date.now() - 13 * 86_400_000), zone);
		to.value = isoDate(new Date(), zone);
	}
	dates.hidden = false;
	from.focus();
});

controls.addEventListener("submit", (event) => {
	event.preventDefault();
	to.setCustomValidity(from.value > to.value ? words.badPeriod : "");
	if (controls.reportValidity()) choose({ period: "custom", from: from.value, to: to.value });
});
to.oninput = from.oninput = () => to.setCustomValidity("");

find("[data-print]").onclick = () => window.print();
const languages = find<HTMLFormElement>("[data-languages]");
languages.addEventListener("submit", () => {
	// After the language was changed, the same numbers are there.
	find<HTMLInputElement>("[name=next]", languages).value = location.pathname + location.search;
});
window.addEventListener("popstate", () => location.reload());
setInterval(() => live.tell(), 1000);

from.value = choice.from;
to.value = choice.to;
load();
