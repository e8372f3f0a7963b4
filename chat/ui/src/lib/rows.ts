/** Turns a range of a room into the rows of the message list. */

import type { Item, MessageItem, SystemItem } from "./client/history";

export type Row =
	| { kind: "day"; id: string; at: string }
	| { kind: "divider"; id: string }
	| { kind: "system"; id: string; item: SystemItem }
	/** `first` starts a group: it shows the author and the time. */
	| { kind: "message"; id: string; item: MessageItem; first: boolean };

const GROUP_WITHIN_MS = 5 * 60_000;

/**
 * Rows in order. Consecutive messages by one author within 5 minutes form a group. Each local day begins with a
 * separator; the divider of new messages is above the message at `firstNew`.
 */
export function buildRows(items: Item[], firstNew: number | null): Row[] {
	const rows: Row[] = [];
	let day = "";
	let previous: MessageItem | null = null;
	for (const item of items) {
		const today = dayOf(item.at);
		if (today !== day) {
			rows.push({ kind: "day", id: `day-${today}-${item.seq}`, at: item.at });
			day = today;
			previous = null;
		}
		if (item.kind === "system") {
			rows.push({ kind: "system", id: `s${item.seq}`, item });
			previous = null;
			continue;
		}
		if (item.seq === firstNew) {
			rows.push({ kind: "divider", id: "divider" });
			previous = null;
		}
		rows.push({ kind: "message", id: `m${item.seq}`, item, first: !follows(previous, item) });
		previous = item;
	}
	return rows;
}

/** `rows`, reusing equal ones of `before`, so that the page redraws only rows that changed. */
export function keepingSame(rows: Row[], before: Row[]): Row[] {
	const known = new Map(before.map((row) => [row.id, row]));
	return rows.map((row) => {
		const old = known.get(row.id);
		return old && sameRow(row, old) ? old : row;
	});
}

function sameRow(row: Row, old: Row): boolean {
	switch (row.kind) {
		case "message":
			return old.kind === "message" && old.item === row.item && old.first === row.first;
		case "system":
			return old.kind === "system" && old.item === row.item;
		default:
			return old.kind === row.kind;
	}
}

/** Whether `item` belongs to the group of the message before it. */
export function follows(previous: Pick<MessageItem, "author" | "at"> | null, item: MessageItem): boolean {
	return (
		previous !== null &&
		previous.author === item.author &&
		item.replyTo === null &&
		Date.parse(item.at) - Date.parse(previous.at) < GROUP_WITHIN_MS
	);
}

/** The local calendar day of a moment, as `YYYY-M-D`. */
export function dayOf(at: string): string {
	const date = new Date(at);
	return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}
