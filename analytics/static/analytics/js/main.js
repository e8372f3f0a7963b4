// @ts-check
/** The page: what is chosen, what is loaded when, and what happens when it cannot be. */

import { ask, Failure } from "analytics/api";
import { button, Card, explain, ways } from "analytics/cards";
import { Counters } from "analytics/counters";
import { element, find } from "analytics/dom";
import { isoDate, range } from "analytics/format";
import { Live } from "analytics/live";
import { chosenByAddress, queryOf, remember, served, zone } from "analytics/page";
import { RoomPicker } from "analytics/room-picker";
import { roomsOpen, subjects } from "analytics/subjects";
import { words } from "analytics/words";

/** The charts follow the counters at leisure: the longer the period, the less a moment adds. */
const CHARTS_EVERY_MS = /** @type {Record<string, number>} */ ({
	"24h": 30_000,
	"7d": 60_000,
	"30d": 300_000,
});
const LONG_CHARTS_EVERY_MS = 900_000;

const choice = chosenByAddress();
const counters = new Counters();
const cards = new Map(Object.entries(subjects).map(([name, subject]) => [name, new Card(name, subject)]));
const trouble = find("[data-trouble]");
/** @type {HTMLFormElement} */
const controls = find("[data-controls]");
const dates = find("[data-dates]", controls);
/** @type {HTMLInputElement} */
const from = find("[name=from]", controls);
/** @type {HTMLInputElement} */
const to = find("[name=to]", controls);
let chartsAt = 0;
/** So few at a time that the question of every second is never behind them. */
const LANES = 3;
/** @type {Card[]} */
let waiting = [];
/** @type {AbortController | null} */
let comparing = null;

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

/** Something else is to be shown. @param {Partial<import("analytics/page").Choice>} changes */
function choose(changes) {
	Object.assign(choice, changes);
	remember(choice);
	load();
}

function load() {
	trouble.hidden = true;
	for (const radio of controls.querySelectorAll("input[name=period]")) {
		const input = /** @type {HTMLInputElement} */ (radio);
		input.checked = input.value === choice.period;
	}
	dates.hidden = choice.period !== "custom";
	offerLonger();
	counters.forget();
	live.watch(choice);
	loadCharts(false);
	void compare();
}

/** @param {boolean} quietly */
function loadCharts(quietly) {
	chartsAt = Date.now();
	waiting = [...cards].filter(([name]) => name !== "minutes").map(([, card]) => card);
	for (const card of waiting) card.expect(choice, quietly);
	cards.get("minutes")?.point(choice);
	for (let lane = 0; lane < LANES; lane += 1) void loadWaiting(waiting, quietly);
}

/** Loads what still waits, one card after the other. @param {Card[]} mine @param {boolean} quietly */
async function loadWaiting(mine, quietly) {
	while (mine === waiting) {
		const next = waiting.shift();
		if (next === undefined) return;
		await next.load(choice, quietly);
	}
}

/** The period before, and the reply times, which cost more than what is asked every second. */
async function compare() {
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
function offerLonger() {
	/** @type {Record<string, [string, string]>} */
	const longer = {
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

/** @param {string} text @param {string} address */
function link(text, address) {
	return element("a", { class: "v-button", href: address }, text);
}

/** Nothing more can come until the person does something. @param {Failure} failure */
function stopped(failure) {
	trouble.replaceChildren(element("span", {}, explain(failure.code)), ...ways.out(failure, load));
	trouble.hidden = false;
}

controls.addEventListener("change", (event) => {
	const input = /** @type {HTMLInputElement} */ (event.target);
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
for (const form of document.querySelectorAll("[data-languages]")) {
	// After the language was changed, the same numbers are there.
	form.addEventListener("submit", () => {
		/** @type {HTMLInputElement} */ (form.querySelector("[name=next]")).value =
			location.pathname + location.search;
	});
}
window.addEventListener("popstate", () => location.reload());
setInterval(() => live.tell(), 1000);

from.value = choice.from;
to.value = choice.to;
load();
