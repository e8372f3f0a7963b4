/** What a card is about, and what several of them need. */

import type { Answers, Operation, Period, Row } from "./answers";
import { stepNames } from "./format";
import type { Choice } from "./page";
import type { Column } from "./table";
import { words } from "./words";

/** What to say where there is nothing to draw. `longer`: a longer period may have something. */
export interface Nothing {
	title: string;
	next: string;
	longer?: boolean;
}

export interface Subject<Of extends Operation = Operation> {
	operation: Of;
	/** What is asked beside the choice. */
	query?(choice: Choice): Record<string, string>;
	/** Whether the card makes sense. */
	suits?(choice: Choice): boolean;
	/** What to tell people who may see the room's numbers and not this. */
	closed?: string;
	/** Null when there is something to draw. */
	nothing(body: Answers[Of]): Nothing | null;
	/** Returns what stops it, where something goes on. */
	draw(body: Answers[Of], box: HTMLElement): (() => void) | null;
	table(body: Answers[Of]): { columns: Column[]; rows: Row[] };
}

export function sum<K extends string>(rows: Record<K, number>[], key: K): number {
	return rows.reduce((total, row) => total + row[key], 0);
}

/** A year of days is more than a line can show. */
export function inWeeks(choice: Choice): Record<string, string> {
	return choice.period === "365d" ? { step: "week" } : {};
}

export function noMessages({ period }: { period: Period }): Nothing {
	const isOver = Date.parse(period.to) < Date.now();
	return {
		title: isOver ? words.emptyPast : words.emptyTitle,
		next: isOver ? words.emptyPastNext : words.emptyLonger,
		longer: true,
	};
}

export function timeColumn({ period }: { period: Period }): Column {
	return { key: "from", text: stepNames(period.step, period.tz) };
}
