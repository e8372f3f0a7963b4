/** Tables of colours: the hours of the week, and who of the newcomers stayed. */

import { asWideAs } from "./as-wide-as";
import { element, svg } from "./dom";

interface Cell {
	/** Null for what has not come yet: nothing is drawn. */
	value: number | null;
	/** From 0 to 1. */
	strength: number;
	title: string;
	text?: string;
}

export interface HeatMap {
	name: string;
	rows: string[];
	columns: string[];
	cells: Cell[][];
	labelWidth?: number;
	cellHeight?: number;
}

const LABEL_WIDTH = 34;
const LABEL_HEIGHT = 18;
const CELL_HEIGHT = 26;
const GAP = 2;

/** The table as wide as `box`, until what is returned is called. */
export function heatMap(box: HTMLElement, map: HeatMap): () => void {
	return asWideAs(box, (width) => heatPicture(width, map));
}

export function heatPicture(
	width: number,
	{ name, rows, columns, cells, labelWidth = LABEL_WIDTH, cellHeight = CELL_HEIGHT }: HeatMap,
): SVGElement {
	const cellWidth = (width - labelWidth) / columns.length;
	const height = LABEL_HEIGHT + rows.length * cellHeight;
	const every = [1, 2, 3, 4, 6].find((n) => n * cellWidth >= 26) ?? 6;
	const names = columns.map((text, at) =>
		at % every === 0
			? svg("text", { x: `${labelWidth + (at + 0.5) * cellWidth}`, y: "11", "text-anchor": "middle" }, text)
			: null,
	);
	const lines = rows.map((text, at) => {
		const top = LABEL_HEIGHT + at * cellHeight;
		const shown = (cells[at] ?? []).map((cell, column) => {
			if (cell.value === null) return null;
			const box = svg(
				"rect",
				{
					x: `${labelWidth + column * cellWidth + GAP / 2}`,
					y: `${top + GAP / 2}`,
					width: `${Math.max(1, cellWidth - GAP)}`,
					height: `${cellHeight - GAP}`,
					rx: "3",
					fill: "var(--n-heat)",
					"fill-opacity": (0.06 + 0.94 * cell.strength).toFixed(3),
				},
				svg("title", {}, cell.title),
			);
			const label =
				cell.text && cellWidth >= 30
					? svg(
							"text",
							{
								x: `${labelWidth + (column + 0.5) * cellWidth}`,
								y: `${top + cellHeight / 2 + 4}`,
								"text-anchor": "middle",
								class: cell.strength > 0.55 ? "is-on-colour" : "is-cell",
								"pointer-events": "none",
							},
							cell.text,
						)
					: null;
			return svg("g", {}, box, label);
		});
		return svg("g", {}, svg("text", { x: "0", y: `${top + cellHeight / 2 + 4}` }, text), ...shown);
	});
	return svg(
		"svg",
		{
			class: "n-svg",
			viewBox: `0 0 ${width} ${height}`,
			width: `${width}`,
			height: `${height}`,
			role: "img",
			"aria-label": name,
		},
		...names,
		...lines,
	);
}

/** A line of colours with what they stand for at its ends. */
export function scale(least: string, most: string): HTMLElement {
	const steps = [0, 0.25, 0.5, 0.75, 1].map((strength, at) =>
		svg("rect", {
			x: `${at * 14}`,
			width: "12",
			height: "12",
			rx: "3",
			fill: "var(--n-heat)",
			"fill-opacity": (0.06 + 0.94 * strength).toFixed(3),
		}),
	);
	return element(
		"p",
		{ class: "n-scale" },
		least,
		svg("svg", { class: "n-svg", width: "68", height: "12", "aria-hidden": "true" }, ...steps),
		most,
	);
}
