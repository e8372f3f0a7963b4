/** The cards made of weeks: their hours, who came and went in each, and who of the newcomers stayed. */

import type { NewcomerRow } from "./answers";
import { element } from "./dom";
import { brief, locale, number, stepNames } from "./format";
import { heatMap, scale } from "./heat-map";
import { noMessages, type Subject, sum } from "./subject";
import { weekBars, weekLegend } from "./weeks";
import { words } from "./words";

const clock = (hour: string | number) => `${String(hour).padStart(2, "0")}:00`;

/** A week by its Monday. */
const weekName = stepNames("week", "UTC");

export const hours: Subject<"hours"> = {
	operation: "hours",
	nothing: (body) => (sum(body.rows, "messages") === 0 ? noMessages(body) : null),
	draw(body, box) {
		const top = body.rows.reduce((most, row) => (row.messages > most.messages ? row : most));
		const busiest = words.busiest(words.weekdays[top.weekday - 1] ?? "", clock(top.hour));
		const cells = words.weekdays.map((day, at) =>
			body.rows.slice(at * 24, at * 24 + 24).map((row) => ({
				value: row.messages,
				strength: row.messages / top.messages,
				title: `${day}, ${clock(row.hour)}: ${number(row.messages)}`,
			})),
		);
		const place = element("div");
		box.append(place, scale("0", brief(top.messages)), element("p", { class: "n-aside" }, busiest));
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

export const weeks: Subject<"weeks"> = {
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

/** How many of the newcomers of a week came, and were active in each week after it. */
type Cohort = { week: string; came: number; counts: number[] };

/** Weeks in which nobody came are left out. */
export function cohorts(rows: NewcomerRow[]): Cohort[] {
	const found = new Map<string, number[]>();
	for (const row of rows) {
		const counts = found.get(row.week) ?? [];
		counts[row.weeks_later] = row.active;
		found.set(row.week, counts);
	}
	return [...found]
		.map(([week, counts]) => ({ week, came: counts[0] ?? 0, counts }))
		.filter(({ came }) => came > 0);
}

const longest = (found: Cohort[]) => Math.max(...found.map(({ counts }) => counts.length));

export const newcomers: Subject<"newcomers"> = {
	operation: "newcomers",
	nothing: (body) =>
		cohorts(body.rows).length === 0 ? { title: words.emptyNewcomers, next: words.emptyNewcomersNext } : null,
	draw(body, box) {
		const found = cohorts(body.rows);
		const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
		const place = element("div");
		box.append(place, element("p", { class: "n-aside" }, words.weeksLater));
		return heatMap(place, {
			name: words.chartOf(words.newPeople, number(sum(found, "came"))),
			rows: found.map(({ week, came }) => `${day.format(new Date(week))} · ${came}`),
			labelWidth: 84,
			cellHeight: Math.max(18, Math.min(30, 230 / found.length)),
			columns: Array.from({ length: longest(found) }, (_, later) => String(later)),
			cells: found.map(({ week, came, counts }) =>
				counts.map((count, later) => ({
					value: count,
					strength: count / came,
					title: `${weekName(week)}, +${later}: ${count} / ${came}`,
					text: `${Math.round((100 * count) / came)}%`,
				})),
			),
		});
	},
	table(body) {
		const found = cohorts(body.rows);
		return {
			columns: [
				{ key: "week", text: weekName },
				...Array.from({ length: longest(found) }, (_, later) => ({
					key: `w${later}`,
					label: later === 0 ? words.newPeople : `+${later}`,
				})),
			],
			rows: found.map(({ week, counts }) => ({
				week,
				...Object.fromEntries(counts.map((count, at) => [`w${at}`, count])),
			})),
		};
	},
};
