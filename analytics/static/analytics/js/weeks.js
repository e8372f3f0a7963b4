// @ts-check
/** New and returning people above the line, lost ones below it: a bar for each week. */

import { element, svg } from "analytics/dom";
import { locale, number, stepNames } from "analytics/format";
import { words } from "analytics/words";

/** @typedef {{week: string, new: number, returning: number, lost: number | null}} Week */

const HEIGHT = 230;
const AXIS = 20;
const TOP = 16;

const dayOfYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });

/**
 * As wide as `box`, and again whenever its width changes.
 * @param {HTMLElement} box @param {string} name @param {Week[]} weeks
 * @returns {() => void} Stops it.
 */
export function weekBars(box, name, weeks) {
	let width = 0;
	const draw = () => {
		if (box.clientWidth === width || box.clientWidth === 0) return;
		width = box.clientWidth;
		box.replaceChildren(drawn(width, name, weeks));
	};
	const watcher = new ResizeObserver(draw);
	watcher.observe(box);
	draw();
	return () => watcher.disconnect();
}

/** @param {number} width @param {string} name @param {Week[]} weeks */
function drawn(width, name, weeks) {
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
		/** @param {number} top @param {number} n @param {string} fill */
		const part = (top, n, fill) =>
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

/** @param {Week[]} weeks */
export function weekLegend(weeks) {
	/** @param {string} text @param {string} token @param {number | null} n */
	const item = (text, token, n) => {
		const mark = element("i");
		mark.style.background = `var(${token})`;
		return element("li", {}, mark, `${text} `, element("b", {}, n === null ? "" : number(n)));
	};
	const total = (/** @type {"new" | "lost"} */ key) => weeks.reduce((sum, week) => sum + (week[key] ?? 0), 0);
	return element(
		"ul",
		{ class: "n-legend" },
		item(words.newPeople, "--n-new", total("new")),
		item(words.returning, "--n-returning", null),
		item(words.lost, "--n-lost", total("lost")),
	);
}
