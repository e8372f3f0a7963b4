// @ts-check
/** What each card of the page asks, draws and says. */

import { colour, element } from "analytics/dom";
import { brief, duration, locale, number, stepNames } from "analytics/format";
import { heatMap, scale } from "analytics/heat-map";
import { zone } from "analytics/page";
import { DURATION_STEPS, plot } from "analytics/plot";
import { ranked } from "analytics/ranks";
import { weekBars, weekLegend } from "analytics/weeks";
import { words } from "analytics/words";

/**
 * @typedef {import("analytics/cards").Subject} Subject
 * @typedef {import("analytics/types").Row} Row
 */

const PLOT_HEIGHT = 240;
const MEASURES = ["messages", "characters", "reactions", "edits", "deletions", "joins"];

/** @param {Row[]} rows @param {string} key */
const sum = (rows, key) => rows.reduce((total, row) => total + Number(row[key] ?? 0), 0);
/** @param {Row[]} rows */
const seconds = (rows) => rows.map((row) => Date.parse(String(row.from)) / 1000);
/** @param {Row[]} rows @param {string} key */
const values = (rows, key) => rows.map((row) => /** @type {number | null} */ (row[key] ?? null));

/** A year of days is more than a line can show. @param {import("analytics/page").Choice} choice */
function inWeeks(choice) {
	/** @type {Record<string, string>} */
	const query = choice.period === "365d" ? { step: "week" } : {};
	return query;
}

/** @param {any} body A table with a period. */
function noMessages(body) {
	const isOver = Date.parse(body.period.to) < Date.now();
	return {
		title: isOver ? words.emptyPast : words.emptyTitle,
		next: isOver ? words.emptyPastNext : words.emptyLonger,
		longer: true,
	};
}

/** @param {any} body A table with a period. */
function timeColumn(body) {
	const name = stepNames(body.period.step, body.period.tz);
	return { key: "from", text: (/** @type {string} */ from) => name(from) };
}

/** @param {HTMLElement} box @param {string} name */
function frame(box, name) {
	const made = element("div", { class: "n-plot", role: "img", "aria-label": name });
	box.append(made);
	return made;
}

/** @param {{label: string, token: string, text: string}[]} items */
function legend(items) {
	return element(
		"ul",
		{ class: "n-legend" },
		...items.map(({ label, token, text }) => {
			const mark = element("i");
			mark.style.background = colour(token) ? `var(${token})` : "";
			return element("li", {}, mark, `${label} `, element("b", {}, text));
		}),
	);
}

/** What the activity card shows; kept from one period to the next. */
let measure = "messages";

/** @type {Subject} */
const activity = {
	operation: "activity",
	nothing: (body) => (MEASURES.every((key) => sum(body.rows, key) === 0) ? noMessages(body) : null),
	draw(body, box) {
		const switches = element("div", { class: "n-switches", role: "group", "aria-label": words.measure });
		const place = element("div");
		box.append(switches, place);
		/** @type {(() => void) | undefined} */
		let stop;
		const choose = (/** @type {string} */ key) => {
			measure = key;
			for (const one of switches.children) {
				one.setAttribute("aria-pressed", String(one.getAttribute("data-measure") === key));
			}
			stop?.();
			place.replaceChildren();
			const label = words.columns[key] ?? key;
			const name = stepNames(body.period.step, body.period.tz);
			stop = plot(frame(place, words.chartOf(label, number(sum(body.rows, key)))), {
				times: seconds(body.rows),
				series: [{ label, colour: "--n-1", values: values(body.rows, key), bars: true }],
				zone: body.period.tz,
				height: PLOT_HEIGHT,
				name: (second) => name(second * 1000),
			}).stop;
		};
		for (const key of MEASURES) {
			const made = element(
				"button",
				{ class: "n-tool", type: "button", "data-measure": key },
				words.columns[key] ?? key,
			);
			made.onclick = () => choose(key);
			switches.append(made);
		}
		choose(measure);
		return () => stop?.();
	},
	table: (body) => ({
		columns: [timeColumn(body), ...MEASURES.map((key) => ({ key }))],
		rows: body.rows,
	}),
};

/** @type {Subject} */
const minutes = {
	operation: "minutes",
	nothing: (body) =>
		sum(body.rows, "messages") === 0 ? { title: words.emptyHour, next: words.emptyHourNext } : null,
	draw(body, box) {
		const name = stepNames("minute", zone);
		const total = sum(body.rows, "messages");
		box.append(element("p", { class: "n-big" }, element("b", { "data-testid": "last-hour" }, number(total))));
		return plot(frame(box, words.chartOf(words.messages, number(total))), {
			times: seconds(body.rows),
			series: [{ label: words.messages, colour: "--n-1", values: values(body.rows, "messages"), bars: true }],
			zone,
			height: PLOT_HEIGHT - 10,
			name: (second) => name(second * 1000),
		}).stop;
	},
	table: (body) => {
		const name = stepNames("minute", zone);
		const rows = body.rows.filter((/** @type {Row} */ row) => row.messages !== 0).reverse();
		return { columns: [{ key: "from", text: name }, { key: "messages" }], rows };
	},
};

/** @type {Subject} */
const active = {
	operation: "active",
	query: inWeeks,
	nothing: (body) => (sum(body.rows, "people") === 0 ? noMessages(body) : null),
	draw(body, box) {
		const hasRooms = body.rows.some((/** @type {Row} */ row) => row.rooms !== null);
		const lines = [
			{ label: words.people, key: "people", token: "--n-1" },
			...(hasRooms ? [{ label: words.rooms, key: "rooms", token: "--n-2" }] : []),
		];
		const most = (/** @type {string} */ key) => Math.max(...values(body.rows, key).map(Number));
		const name = stepNames(body.period.step, body.period.tz);
		box.append(
			legend(lines.map(({ label, token, key }) => ({ label, token, text: words.atMost(number(most(key))) }))),
		);
		return plot(frame(box, words.chartOf(words.people, words.atMost(number(most("people"))))), {
			times: seconds(body.rows),
			series: lines.map(({ label, key, token }, at) => ({
				label,
				colour: token,
				values: values(body.rows, key),
				area: at === 0,
			})),
			zone: body.period.tz,
			height: PLOT_HEIGHT,
			name: (second) => name(second * 1000),
		}).stop;
	},
	table: (body) => ({
		columns: [
			timeColumn(body),
			{ key: "people" },
			...(body.rows.some((/** @type {Row} */ row) => row.rooms !== null) ? [{ key: "rooms" }] : []),
		],
		rows: body.rows,
	}),
};

/** @type {Subject} */
const replies = {
	operation: "replies",
	// By hours there are too few of them for a line.
	query: (choice) => (choice.period === "7d" ? { step: "day" } : inWeeks(choice)),
	nothing: (body) =>
		body.replies === 0 ? { title: words.emptyReplies, next: words.emptyRepliesNext, longer: true } : null,
	draw(body, box) {
		const name = stepNames(body.period.step, body.period.tz);
		box.append(
			legend([
				{ label: words.median, token: "--n-1", text: duration(body.median_seconds) },
				{ label: words.p95, token: "--n-2", text: duration(body.p95_seconds) },
			]),
		);
		const told = `${words.median} ${duration(body.median_seconds)}, ${words.p95} ${duration(body.p95_seconds)}`;
		return plot(
			frame(box, words.chartOf(words.firstReply, told)),
			{
				times: seconds(body.rows),
				series: [
					{ label: words.median, colour: "--n-1", values: values(body.rows, "median_seconds") },
					{ label: words.p95, colour: "--n-2", values: values(body.rows, "p95_seconds") },
				],
				zone: body.period.tz,
				height: PLOT_HEIGHT,
				name: (second) => name(second * 1000),
				value: duration,
			},
			{ steps: DURATION_STEPS },
		).stop;
	},
	table: (body) => ({
		columns: [timeColumn(body), { key: "replies" }, { key: "median_seconds" }, { key: "p95_seconds" }],
		rows: body.rows.filter((/** @type {Row} */ row) => row.replies !== 0),
	}),
};

/** @param {number} hour */
const clock = (hour) => `${String(hour).padStart(2, "0")}:00`;

/** @type {Subject} */
const hours = {
	operation: "hours",
	nothing: (body) => (sum(body.rows, "messages") === 0 ? noMessages(body) : null),
	draw(body, box) {
		const most = Math.max(...body.rows.map((/** @type {any} */ row) => row.messages));
		const top = body.rows.find((/** @type {any} */ row) => row.messages === most);
		const busiest = words.busiest(words.weekdays[top.weekday - 1] ?? "", clock(top.hour));
		const cells = words.weekdays.map((day, at) =>
			body.rows.slice(at * 24, at * 24 + 24).map((/** @type {any} */ row) => ({
				value: row.messages,
				strength: row.messages / most,
				title: `${day}, ${clock(row.hour)}: ${number(row.messages)}`,
			})),
		);
		const place = element("div");
		box.append(place, scale("0", brief(most)), element("p", { class: "n-aside" }, busiest));
		return heatMap(place, {
			name: words.chartOf(words.messages, busiest),
			rows: words.weekdays,
			columns: Array.from({ length: 24 }, (_, hour) => String(hour)),
			cells,
		});
	},
	table: (body) => ({
		columns: [
			{ key: "hour", text: clock },
			...words.weekdays.map((label, at) => ({ key: `d${at + 1}`, label })),
		],
		rows: Array.from({ length: 24 }, (_, hour) => ({
			hour,
			...Object.fromEntries(
				words.weekdays.map((_day, at) => [`d${at + 1}`, body.rows[at * 24 + hour]?.messages ?? 0]),
			),
		})),
	}),
};

/** A week by its Monday. @param {string} date */
const weekName = (date) => stepNames("week", "UTC")(date);

/** @type {Subject} */
const weeks = {
	operation: "weeks",
	nothing: (body) => (sum(body.rows, "active") === 0 ? noMessages(body) : null),
	draw(body, box) {
		const place = element("div");
		box.append(weekLegend(body.rows), place);
		return weekBars(place, words.chartOf(words.newPeople, number(sum(body.rows, "new"))), body.rows);
	},
	table: (body) => ({
		columns: [
			{ key: "week", text: weekName },
			...["active", "new", "returning", "lost"].map((key) => ({ key })),
		],
		rows: [...body.rows].reverse(),
	}),
};

/** Rows of the newcomers, by the week in which they came. @param {any} body */
function cohorts(body) {
	/** @type {Map<string, number[]>} */
	const found = new Map();
	for (const row of body.rows) {
		const cohort = found.get(row.week) ?? [];
		cohort[row.weeks_later] = row.active;
		found.set(row.week, cohort);
	}
	return [...found].filter(([, counts]) => Number(counts[0]) > 0);
}

/** @type {Subject} */
const newcomers = {
	operation: "newcomers",
	nothing: (body) =>
		cohorts(body).length === 0 ? { title: words.emptyNewcomers, next: words.emptyNewcomersNext } : null,
	draw(body, box) {
		const found = cohorts(body);
		const longest = Math.max(...found.map(([, counts]) => counts.length));
		const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
		const place = element("div");
		box.append(place, element("p", { class: "n-aside" }, words.weeksLater));
		return heatMap(place, {
			name: words.chartOf(
				words.newPeople,
				number(found.reduce((total, [, counts]) => total + Number(counts[0]), 0)),
			),
			rows: found.map(([week, counts]) => `${day.format(new Date(week))} · ${counts[0]}`),
			labelWidth: 84,
			cellHeight: Math.max(18, Math.min(30, 230 / found.length)),
			columns: Array.from({ length: longest }, (_, later) => String(later)),
			cells: found.map(([week, counts]) =>
				counts.map((count, later) => {
					const share = count / Number(counts[0]);
					return {
						value: count,
						strength: share,
						title: `${weekName(week)}, +${later}: ${count} / ${counts[0]}`,
						text: `${Math.round(100 * share)}%`,
					};
				}),
			),
		});
	},
	table(body) {
		const found = cohorts(body);
		const longest = Math.max(...found.map(([, counts]) => counts.length));
		return {
			columns: [
				{ key: "week", text: weekName },
				...Array.from({ length: longest }, (_, later) => ({
					key: `w${later}`,
					label: later === 0 ? words.newPeople : `+${later}`,
				})),
			],
			rows: found.map(([week, counts]) => ({
				week,
				...Object.fromEntries(counts.map((count, at) => [`w${at}`, count])),
			})),
		};
	},
};

/** Where a click on a room leads; set by the page. */
export const roomsOpen = { open: (/** @type {import("analytics/types").Room} */ room) => void room };

/** @type {Subject} */
const topRooms = {
	operation: "top-rooms",
	query: () => ({ limit: "10" }),
	suits: (choice) => choice.room === null,
	nothing: (body) => (body.rows.length === 0 ? noMessages(body) : null),
	draw(body, box) {
		box.append(
			ranked(
				body.rows.map((/** @type {any} */ row) => ({
					name: `# ${row.name || row.room}`,
					value: row.messages,
					text: brief(row.messages),
					open: () => roomsOpen.open({ id: row.room, name: row.name, kind: "", archived: row.archived }),
				})),
			),
		);
	},
	table: (body) => ({
		columns: [
			{ key: "name", label: words.room },
			{ key: "messages" },
			{ key: "characters" },
			{ key: "reactions" },
		],
		rows: body.rows,
	}),
};

/** @param {any} row */
const personName = (row) => row.name || words.someone;

/** @type {Subject} */
const people = {
	operation: "people",
	closed: words.closedRoom,
	query: () => ({ limit: "10" }),
	nothing: (body) => (body.rows.length === 0 ? noMessages(body) : null),
	draw(body, box) {
		box.append(
			ranked(
				body.rows.map((/** @type {any} */ row) => ({
					name: personName(row),
					value: row.quarters,
					text: words.daysCount(row.days),
				})),
			),
		);
	},
	table: (body) => ({
		columns: [
			{ key: "name", text: (_value, row) => personName(row) },
			{ key: "days", label: words.activeDays },
			{ key: "quarters", label: words.activeQuarters },
		],
		rows: body.rows,
	}),
};

/** @type {Subject} */
const emoji = {
	operation: "emoji",
	query: () => ({ limit: "10" }),
	nothing: (body) =>
		body.rows.length === 0
			? { title: words.emptyReactions, next: words.emptyReactionsNext, longer: true }
			: null,
	draw(body, box) {
		box.append(
			ranked(
				body.rows.map((/** @type {any} */ row) => ({
					name: row.emoji,
					value: row.added,
					text: brief(row.added),
					emoji: true,
				})),
			),
		);
	},
	table: (body) => ({
		columns: [
			{ key: "emoji" },
			{ key: "added", label: words.times },
			{ key: "removed", label: words.takenBack },
		],
		rows: body.rows,
	}),
};

/** @type {Subject} */
const wordsOfRoom = {
	operation: "words",
	closed: words.closedRoom,
	query: () => ({ limit: "10" }),
	suits: (choice) => choice.room !== null,
	nothing: (body) =>
		body.rows.length === 0 ? { title: words.emptyWords, next: words.emptyWordsNext, longer: true } : null,
	draw(body, box) {
		box.append(
			ranked(
				body.rows.map((/** @type {any} */ row) => ({
					name: row.word,
					value: row.messages,
					text: brief(row.messages),
				})),
			),
		);
	},
	table: (body) => ({ columns: [{ key: "word" }, { key: "messages" }], rows: body.rows }),
};

/** @type {Record<string, Subject>} By the card's name. */
export const subjects = {
	activity,
	minutes,
	active,
	replies,
	hours,
	weeks,
	newcomers,
	people,
	"top-rooms": topRooms,
	words: wordsOfRoom,
	emoji,
};
