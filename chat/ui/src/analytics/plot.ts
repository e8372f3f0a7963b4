/** Bars and lines over time, drawn by uPlot in the colours of the scheme that is on. */

import uPlot from "uplot";
import { colour, element } from "./dom";
import { axisNames, brief } from "./format";

type Values = (number | null)[];

/** One quantity over time. */
export interface Series {
	label: string;
	/** A custom property. */
	colour: string;
	values: Values;
	bars?: boolean;
	area?: boolean;
}

export interface Picture {
	/** In seconds since 1970. */
	times: number[];
	series: Series[];
	zone: string;
	height: number;
	/** What a time is called. */
	name: (second: number) => string;
	/** How a number is written, where `brief` is not what people expect. */
	value?: (n: number) => string;
	/** Steps of the axis of numbers: whole ones, unless given. */
	steps?: number[];
}

const FONT = '11px "Inter", system-ui, sans-serif';

/** Steps of an axis of lengths of time: seconds, minutes, hours and days as people count them. */
export const DURATION_STEPS = [
	1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
	604_800,
];

/** Messages come whole: no axis has a 0.5 on it. */
const WHOLE_STEPS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power));

/** A chart as wide as `box`; it follows the box and the colour scheme until what is returned is called. */
export function plot(box: HTMLElement, picture: Picture): () => void {
	const tip = element("div", { class: "n-tip", hidden: true });
	box.append(tip);
	let width = Math.floor(box.clientWidth);
	const data: uPlot.AlignedData = [picture.times, ...picture.series.map((one) => one.values)];
	const draw = () => new uPlot(settings(picture, width, tip), data, box);
	let drawn = draw();

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
	let stopped = false;
	// What is written on a canvas before its font has come stays in another one.
	const written = `0 ${axisNames(picture.zone)([0])}`;
	if (!document.fonts.check(FONT, written)) {
		document.fonts.load(FONT, written).then(
			() => !stopped && redraw(),
			() => {},
		);
	}

	box.tabIndex = 0;
	box.onkeydown = (event) => walk(event, drawn);
	box.onblur = () => drawn.setCursor({ left: -10, top: -10 });

	return () => {
		stopped = true;
		watcher.disconnect();
		scheme.removeEventListener("change", redraw);
		paper.removeEventListener("change", redraw);
		drawn.destroy();
	};
}

const KEYS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 };

/** The arrow keys move from one point to the next. */
function walk(event: KeyboardEvent, drawn: uPlot): void {
	const by = KEYS[event.key];
	if (by === undefined) return;
	event.preventDefault();
	const times = drawn.data[0];
	const last = times.length - 1;
	const from = drawn.cursor.idx ?? (by > 0 ? -1 : last + 1);
	const at = Math.min(last, Math.max(0, from + by));
	drawn.setCursor({ left: drawn.valToPos(Number(times[at]), "x"), top: 10 });
}

function settings(picture: Picture, width: number, tip: HTMLElement): uPlot.Options {
	const value = picture.value ?? brief;
	const axis: uPlot.Axis = {
		stroke: colour("--n-axis"),
		font: FONT,
		ticks: { show: false },
		grid: { stroke: colour("--n-grid"), width: 1 },
	};
	const bars = picture.series.some((one) => one.bars === true);
	return {
		width,
		height: picture.height,
		legend: { show: false },
		padding: [8, 26, 0, 0],
		tzDate: (second) => uPlot.tzDate(new Date(second * 1000), picture.zone),
		scales: {
			x: { time: true, range: (_u, first, last) => timeRange(picture.times, bars, first, last) },
			y: { range: (_u, _least, most) => valueRange(most) },
		},
		cursor: {
			y: false,
			drag: { x: false, y: false, setScale: false },
			points: { show: !bars, size: 7 },
		},
		axes: [
			{
				...axis,
				grid: { show: false },
				size: 34,
				space: 64,
				values: (_u, splits) => axisNames(picture.zone)(splits),
			},
			{
				...axis,
				size: widthOf,
				space: 36,
				incrs: picture.steps ?? WHOLE_STEPS,
				values: (_u, splits) => splits.map((n) => value(n)),
			},
		],
		series: [{}, ...picture.series.map(seriesSettings)],
		hooks: { setCursor: [(u) => showTip(u, picture, tip)] },
	};
}

/** Room for the widest number of an axis; uPlot asks first without any. */
function widthOf(u: uPlot, names: string[] | null): number {
	if (names === null) return 40;
	u.ctx.save();
	u.ctx.font = FONT;
	const widest = Math.max(...names.map((name) => u.ctx.measureText(name ?? "").width));
	u.ctx.restore();
	return Math.ceil(widest) + 14;
}

/** Of the axis of numbers: from 0, with some air; up to 4 where there is nothing. */
export function valueRange(most: number | null): uPlot.Range.MinMax {
	return [0, most === null || most <= 0 ? 4 : most * 1.08];
}

/** Of the axis of time: bars stand over the middle of their step, so half a step stays free on both sides. */
export function timeRange(times: number[], bars: boolean, first: number, last: number): uPlot.Range.MinMax {
	if (!bars && first !== last) return [first, last];
	const step = times.length > 1 ? Number(times[1]) - Number(times[0]) : 3600;
	return [first - step / 2, last + step / 2];
}

function seriesSettings(one: Series): uPlot.Series {
	const stroke = colour(one.colour);
	if (one.bars) {
		const paths = uPlot.paths.bars?.({ size: [0.72, 28] });
		return { label: one.label, fill: stroke, width: 0, ...(paths && { paths }), points: { show: false } };
	}
	return {
		label: one.label,
		stroke,
		width: 2,
		...(one.area && { fill: colour("--n-1-soft") }),
		points: { show: one.values.filter((n) => n === null).length > one.values.length / 4, size: 5 },
		spanGaps: false,
	};
}

function showTip(u: uPlot, picture: Picture, tip: HTMLElement): void {
	const at = u.cursor.idx;
	const cursorLeft = u.cursor.left ?? -1;
	const value = picture.value ?? brief;
	if (at === null || at === undefined || cursorLeft < 0) {
		tip.hidden = true;
		return;
	}
	const lines = picture.series.map((one) => {
		const n = one.values[at];
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
	tip.replaceChildren(element("p", {}, picture.name(Number(picture.times[at]))), ...lines);
	tip.hidden = false;
	const plotLeft = u.bbox.left / devicePixelRatio;
	const wanted = plotLeft + cursorLeft + 12;
	const room = u.width - tip.offsetWidth - 4;
	const left = wanted > room ? plotLeft + cursorLeft - tip.offsetWidth - 12 : wanted;
	tip.style.transform = `translate(${Math.max(0, Math.round(left))}px, 8px)`;
}
