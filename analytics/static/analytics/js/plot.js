// @ts-check
/** Bars and lines over time, drawn by uPlot in the colours of the scheme that is on. */

import { colour, element } from "analytics/dom";
import { axisNames, brief } from "analytics/format";

/**
 * One quantity over time; `colour` is a custom property.
 * @typedef {{label: string, colour: string, values: (number | null)[], bars?: boolean, area?: boolean}} Series
 * @typedef {{times: number[], series: Series[], zone: string, height: number,
 *   name: (second: number) => string, value?: (n: number) => string}} Picture
 */

const FONT = '11px "Inter", system-ui, sans-serif';

/** Steps of an axis of lengths of time: seconds, minutes, hours and days as people count them. */
export const DURATION_STEPS = [
	1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
	604_800,
];

/**
 * A chart as wide as `box`; it follows the box and the colour scheme until `stop` is called.
 * @param {HTMLElement} box @param {Picture} picture @param {{steps?: number[]}} options
 * @returns {{stop: () => void, update: (times: number[], values: (number | null)[][]) => void}}
 */
export function plot(box, picture, options = {}) {
	const tip = element("div", { class: "n-tip", hidden: true });
	box.append(tip);
	let width = Math.floor(box.clientWidth);
	let data = /** @type {any} */ ([picture.times, ...picture.series.map((one) => one.values)]);
	let drawn = draw();

	function draw() {
		const made = new uPlot(settings(picture, width, tip, options), data, box);
		return made;
	}

	const redraw = () => {
		drawn.destroy();
		drawn = draw();
	};
	const watcher = new ResizeObserver(() => {
		const now = Math.floor(box.clientWidth);
		if (now === width || now === 0) return;
		width = now;
		drawn.setSize({ width, height: picture.height });
	});
	watcher.observe(box);
	const scheme = matchMedia("(prefers-color-scheme: dark)");
	scheme.addEventListener("change", redraw);
	const paper = matchMedia("print");
	paper.addEventListener("change", redraw);

	box.tabIndex = 0;
	box.onkeydown = (event) => walk(event, drawn);
	box.onblur = () => drawn.setCursor({ left: -10, top: -10 });

	return {
		stop() {
			watcher.disconnect();
			scheme.removeEventListener("change", redraw);
			paper.removeEventListener("change", redraw);
			drawn.destroy();
		},
		update(times, values) {
			data = [times, ...values];
			drawn.setData(data);
		},
	};
}

/** The arrow keys move from one point to the next. @param {KeyboardEvent} event @param {any} drawn */
function walk(event, drawn) {
	const by = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
	if (by === undefined) return;
	event.preventDefault();
	const last = drawn.data[0].length - 1;
	const from = drawn.cursor.idx ?? (by > 0 ? -1 : last + 1);
	const at = Math.min(last, Math.max(0, from + by));
	drawn.setCursor({ left: drawn.valToPos(drawn.data[0][at], "x"), top: 10 });
}

/** @param {Picture} picture @param {number} width @param {HTMLElement} tip @param {{steps?: number[]}} options */
function settings(picture, width, tip, options) {
	const value = picture.value ?? brief;
	const axis = {
		stroke: colour("--n-axis"),
		font: FONT,
		ticks: { show: false },
		grid: { stroke: colour("--n-grid"), width: 1 },
	};
	return {
		width,
		height: picture.height,
		legend: { show: false },
		padding: [8, 26, 0, 0],
		tzDate: (/** @type {number} */ second) => uPlot.tzDate(new Date(second * 1000), picture.zone),
		scales: { x: { time: true, range: xRange(picture) }, y: { range: yRange } },
		cursor: {
			y: false,
			drag: { x: false, y: false, setScale: false },
			points: { show: !picture.series.some((one) => one.bars), size: 7 },
		},
		axes: [
			{
				...axis,
				grid: { show: false },
				size: 34,
				space: 64,
				values: (/** @type {any} */ _u, /** @type {number[]} */ splits) => axisNames(picture.zone)(splits),
			},
			{
				...axis,
				size: (/** @type {any} */ u, /** @type {string[] | null} */ names) => {
					if (names === null) return 40;
					u.ctx.save();
					u.ctx.font = FONT;
					const widest = Math.max(...names.map((name) => u.ctx.measureText(name ?? "").width));
					u.ctx.restore();
					return Math.ceil(widest) + 14;
				},
				space: 36,
				...(options.steps ? { incrs: options.steps } : { incrs: WHOLE_STEPS }),
				values: (/** @type {any} */ _u, /** @type {number[]} */ splits) => splits.map((n) => value(n)),
			},
		],
		series: [{}, ...picture.series.map(seriesSettings)],
		hooks: { setCursor: [(/** @type {any} */ u) => showTip(u, picture, tip)] },
	};
}

/** Messages come whole: no axis has a 0.5 on it. */
const WHOLE_STEPS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power));

/** From 0, with some air; up to 4 where there is nothing. */
function yRange(/** @type {any} */ _u, /** @type {number} */ _min, /** @type {number | null} */ max) {
	return [0, max === null || max <= 0 ? 4 : max * 1.08];
}

/** Bars stand over the middle of their step, so half a step stays free on both sides. @param {Picture} picture */
function xRange(picture) {
	const bars = picture.series.some((one) => one.bars);
	return (/** @type {any} */ u, /** @type {number} */ min, /** @type {number} */ max) => {
		const times = u.data[0];
		const step = times.length > 1 ? times[1] - times[0] : 3600;
		if (!bars && min !== max) return [min, max];
		return [min - step / 2, max + step / 2];
	};
}

/** @param {Series} one */
function seriesSettings(one) {
	const stroke = colour(one.colour);
	if (one.bars) {
		return {
			label: one.label,
			fill: stroke,
			width: 0,
			paths: uPlot.paths.bars({ size: [0.72, 28] }),
			points: { show: false },
		};
	}
	return {
		label: one.label,
		stroke,
		width: 2,
		fill: one.area ? colour("--n-1-soft") : undefined,
		points: { show: one.values.filter((n) => n === null).length > one.values.length / 4, size: 5 },
		spanGaps: false,
	};
}

/** @param {any} u @param {Picture} picture @param {HTMLElement} tip */
function showTip(u, picture, tip) {
	const at = u.cursor.idx;
	const value = picture.value ?? brief;
	if (at === null || at === undefined || u.cursor.left < 0) {
		tip.hidden = true;
		return;
	}
	const lines = picture.series.map((one, index) => {
		const n = u.data[index + 1][at];
		const mark = element("i");
		mark.style.background = colour(one.colour);
		return element(
			"div",
			{},
			mark,
			`${one.label} `,
			element("b", {}, n === null || n === undefined ? "–" : value(n)),
		);
	});
	tip.replaceChildren(element("p", {}, picture.name(u.data[0][at])), ...lines);
	tip.hidden = false;
	const plotLeft = u.bbox.left / devicePixelRatio;
	const wanted = plotLeft + u.cursor.left + 12;
	const room = u.width - tip.offsetWidth - 4;
	const left = wanted > room ? plotLeft + u.cursor.left - tip.offsetWidth - 12 : wanted;
	tip.style.transform = `translate(${Math.max(0, Math.round(left))}px, 8px)`;
}
