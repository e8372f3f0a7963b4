/** New and returning people above the line, lost ones below it: a bar for each week. */

import type { WeekRow } from "./answers";
import { asWideAs } from "./as-wide-as";
import { svg } from "./dom";
import { locale, number, stepNames } from "./format";
import { legend } from "./legend";
import { words } from "./words";

const HEIGHT = 230;
const AXIS = 20;
const TOP = 16;

const dayOfYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });

/** The bars as wide as `box`, until what is returned is called. */
export function weekBars(box: HTMLElement, name: string, weeks: WeekRow[]): () => void {
	return asWideAs(box, (width) => weekPicture(width, name, weeks));
}

export function weekPicture(width: number, name: string, weeks: WeekRow[]): SVGElement {
	const most = Math.max(4, ...weeks.map((week) => week.new + week.returning));
	const mostLost = Math.max(0, ...weeks.map((week) => week.lost ?? 0));
	const unit = (HEIGHT - AXIS - TOP) / (most + mostLost);
	const zero = TOP + most * unit;
	const slot = width / weeks.length;
	const bar = Math.min(40, slot * 0.7);
	const every = Math.ceil(52 / slot);
	const day = stepNames("day", "UTC");
	const parts = weeks.map((week, at) => {
		const left = at * slot + (slot - bar) / 2;
		const part = (top: number, n: number, fill: string) =>
			svg("rect", {
				x: left.toFixed(1),
				y: top.toFixed(1),
				width: bar.toFixed(1),
				height: (n * unit).toFixed(1),
				rx: n * unit > 4 ? "2" : "0",
				fill: `var(${fill})`,
			});
		const returningTop = zero - week.returning * unit;
		const lost = week.lost ?? 0;
		const told = [
			`${words.week} ${day(week.week)}`,
			`${words.newPeople}: ${number(week.new)}`,
			`${words.returning}: ${number(week.returning)}`,
			`${words.lost}: ${week.lost === null ? "–" : number(week.lost)}`,
		].join("\n");
		return svg(
			"g",
			{},
			svg("title", {}, told),
			svg("rect", {
				x: (at * slot).toFixed(1),
				y: "0",
				width: slot.toFixed(1),
				height: `${HEIGHT}`,
				fill: "transparent",
			}),
			part(returningTop, week.returning, "--n-returning"),
			part(returningTop - week.new * unit, week.new, "--n-new"),
			part(zero + 1, lost, "--n-lost"),
			slot >= 30 && week.new + week.returning > 0
				? svg(
						"text",
						{
							x: (at * slot + slot / 2).toFixed(1),
							y: (zero - (week.new + week.returning) * unit - 4).toFixed(1),
							"text-anchor": "middle",
						},
						number(week.new + week.returning),
					)
				: null,
			(weeks.length - 1 - at) % every === 0
				? svg(
						"text",
						{ x: (at * slot + slot / 2).toFixed(1), y: `${HEIGHT - 4}`, "text-anchor": "middle" },
						dayOfYear.format(new Date(week.week)),
					)
				: null,
		);
	});
	return svg(
		"svg",
		{
			class: "n-svg",
			viewBox: `0 0 ${width} ${HEIGHT}`,
			width: `${width}`,
			height: `${HEIGHT}`,
			role: "img",
			"aria-label": name,
		},
		...parts,
		svg("line", {
			x1: "0",
			x2: `${width}`,
			y1: `${zero + 0.5}`,
			y2: `${zero + 0.5}`,
			stroke: "var(--n-axis)",
			"stroke-width": "1",
		}),
	);
}

export function weekLegend(weeks: WeekRow[]): HTMLElement {
	const total = (key: "new" | "lost") => number(weeks.reduce((sum, week) => sum + (week[key] ?? 0), 0));
	return legend([
		{ label: words.newPeople, token: "--n-new", text: total("new") },
		{ label: words.returning, token: "--n-returning", text: "" },
		{ label: words.lost, token: "--n-lost", text: total("lost") },
	]);
}
