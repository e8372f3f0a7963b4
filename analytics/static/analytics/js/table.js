// @ts-check
/** The twin of a chart: the same numbers as a table. */

import { element } from "analytics/dom";
import { duration, number } from "analytics/format";
import { words } from "analytics/words";

/** @typedef {import("analytics/types").Row} Row */
/** @typedef {{key: string, label?: string, text?: (value: any, row: Row) => string}} Column */

/**
 * @param {string} name What the table is about, for readers who do not see it.
 * @param {Column[]} columns The first one names the row. @param {Row[]} rows
 */
export function table(name, columns, rows) {
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

/** @param {Column} column @param {Row} row */
function cell(column, row) {
	const value = row[column.key];
	if (value === null || value === undefined) return "–";
	if (column.text) return column.text(value, row);
	if (column.key.endsWith("_seconds")) return duration(Number(value));
	return typeof value === "number" ? number(value) : String(value);
}
