/** The twin of a chart: the same numbers as a table. */

import type { Row } from "./answers";
import { element } from "./dom";
import { duration, number } from "./format";
import { words } from "./words";

export interface Column {
	key: string;
	label?: string;
	text?: (value: string | number) => string;
}

/** `name` is what the table is about, for readers who do not see it; the first column names the row. */
export function table(name: string, columns: Column[], rows: Row[]): HTMLElement {
	const head = columns.map((column) =>
		element("th", { scope: "col" }, column.label ?? words.columns[column.key] ?? column.key),
	);
	const lines = rows.map((row) =>
		element(
			"tr",
			{},
			...columns.map((column, at) =>
				element(at === 0 ? "th" : "td", at === 0 ? { scope: "row" } : {}, cell(column, row)),
			),
		),
	);
	return element(
		"div",
		{ class: "n-table", tabindex: "0", role: "region", "aria-label": name },
		element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines)),
	);
}

function cell(column: Column, row: Row): string {
	const value = row[column.key];
	if (value === null || value === undefined) return "–";
	if (column.text) return column.text(value);
	if (column.key.endsWith("_seconds")) return duration(Number(value));
	return typeof value === "number" ? number(value) : value;
}
