/** The cards with an axis of time: activity, the last hour, people and rooms, times to the first reply. */

import { MEASURES, type Measure } from "./answers";
import { element } from "./dom";
import { duration, number, stepNames } from "./format";
import { legend } from "./legend";
import { zone } from "./page";
import { DURATION_STEPS, plot } from "./plot";
import { inWeeks, noMessages, type Subject, sum, timeColumn } from "./subject";
import { words } from "./words";

const HEIGHT = 240;

const seconds = (rows: { from: string }[]) => rows.map((row) => Date.parse(row.from) / 1000);

function frame(box: HTMLElement, name: string): HTMLElement {
	const made = element("div", { class: "n-plot", role: "img", "aria-label": name });
	box.append(made);
	return made;
}

/** What the activity card shows; kept from one period to the next. */
let measure: Measure = "messages";

export const activity: Subject<"activity"> = {
	operation: "activity",
	nothing: (body) => (MEASURES.every((key) => sum(body.rows, key) === 0) ? noMessages(body) : null),
	draw(body, box) {
		const switches = element("div", { class: "n-switches", role: "group", "aria-label": words.measure });
		const place = element("div");
		box.append(switches, place);
		let stop: (() => void) | undefined;
		const choose = (key: Measure) => {
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
				series: [{ label, colour: "--n-1", values: body.rows.map((row) => row[key]), bars: true }],
				zone: body.period.tz,
				height: HEIGHT,
				name: (second) => name(second * 1000),
			});
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

export const minutes: Subject<"minutes"> = {
	operation: "minutes",
	nothing: (body) =>
		sum(body.rows, "messages") === 0 ? { title: words.emptyHour, next: words.emptyHourNext } : null,
	draw(body, box) {
		const name = stepNames("minute", zone);
		const total = sum(body.rows, "messages");
		box.append(element("p", { class: "n-big" }, element("b", { "data-testid": "last-hour" }, number(total))));
		return plot(frame(box, words.chartOf(words.messages, number(total))), {
			times: seconds(body.rows),
			series: [
				{
					label: words.messages,
					colour: "--n-1",
					values: body.rows.map((row) => row.messages),
					bars: true,
				},
			],
			zone,
			height: HEIGHT - 10,
			name: (second) => name(second * 1000),
		});
	},
	table: (body) => ({
		columns: [{ key: "from", text: stepNames("minute", zone) }, { key: "messages" }],
		rows: body.rows.filter((row) => row.messages !== 0).reverse(),
	}),
};

export const active: Subject<"active"> = {
	operation: "active",
	query: inWeeks,
	nothing: (body) => (sum(body.rows, "people") === 0 ? noMessages(body) : null),
	draw(body, box) {
		const lines = [
			{ label: words.people, token: "--n-1", values: body.rows.map((row) => row.people) },
			...(hasRooms(body.rows)
				? [{ label: words.rooms, token: "--n-2", values: body.rows.map((row) => row.rooms) }]
				: []),
		].map((line) => ({ ...line, most: words.atMost(number(Math.max(...line.values.map(Number)))) }));
		const name = stepNames(body.period.step, body.period.tz);
		box.append(legend(lines.map(({ label, token, most }) => ({ label, token, text: most }))));
		return plot(frame(box, words.chartOf(words.people, lines[0]?.most ?? "")), {
			times: seconds(body.rows),
			series: lines.map(({ label, token, values }, at) => ({
				label,
				colour: token,
				values,
				area: at === 0,
			})),
			zone: body.period.tz,
			height: HEIGHT,
			name: (second) => name(second * 1000),
		});
	},
	table: (body) => ({
		columns: [timeColumn(body), { key: "people" }, ...(hasRooms(body.rows) ? [{ key: "rooms" }] : [])],
		rows: body.rows,
	}),
};

/** A single room has no number of rooms. */
const hasRooms = (rows: { rooms: number | null }[]) => rows.some((row) => row.rooms !== null);

export const replies: Subject<"replies"> = {
	operation: "replies",
	// By hours there are too few of them for a line.
	query: (choice) => (choice.period === "7d" ? { step: "day" } : inWeeks(choice)),
	nothing: (body) =>
		body.replies === 0 ? { title: words.emptyReplies, next: words.emptyRepliesNext, longer: true } : null,
	draw(body, box) {
		const name = stepNames(body.period.step, body.period.tz);
		const median = duration(Number(body.median_seconds));
		const p95 = duration(Number(body.p95_seconds));
		box.append(
			legend([
				{ label: words.median, token: "--n-1", text: median },
				{ label: words.p95, token: "--n-2", text: p95 },
			]),
		);
		const told = `${words.median} ${median}, ${words.p95} ${p95}`;
		return plot(frame(box, words.chartOf(words.firstReply, told)), {
			times: seconds(body.rows),
			series: [
				{ label: words.median, colour: "--n-1", values: body.rows.map((row) => row.median_seconds) },
				{ label: words.p95, colour: "--n-2", values: body.rows.map((row) => row.p95_seconds) },
			],
			zone: body.period.tz,
			height: HEIGHT,
			name: (second) => name(second * 1000),
			value: duration,
			steps: DURATION_STEPS,
		});
	},
	table: (body) => ({
		columns: [timeColumn(body), { key: "replies" }, { key: "median_seconds" }, { key: "p95_seconds" }],
		rows: body.rows.filter((row) => row.replies !== 0),
	}),
};
