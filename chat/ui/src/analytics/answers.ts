/** What the API answers, as far as the page uses it. The OpenAPI document is the full description. */

export type Step = "minute" | "hour" | "day" | "week" | "month";
export type Period = { from: string; to: string; tz: string; step: Step };
export type Row = Record<string, string | number | null>;
export type Room = { id: number; name: string; kind: string; archived: boolean };

export const MEASURES = ["messages", "characters", "reactions", "edits", "deletions", "joins"] as const;
export type Measure = (typeof MEASURES)[number];

export type Totals = {
	[counter in
		| "messages"
		| "replies"
		| "people"
		| "rooms"
		| "reactions"
		| "joins"
		| "characters"
		| "median_seconds"]?: number | null;
};

export type MinuteRow = { from: string; messages: number };
export type HourRow = { weekday: number; hour: number; messages: number };
export type WeekRow = { week: string; active: number; new: number; returning: number; lost: number | null };
export type NewcomerRow = { week: string; weeks_later: number; active: number };

export type Freshness = {
	now: string;
	stored_at: string | null;
	last_event_at: string | null;
	counted_at: string | null;
	waiting: number | null;
	stopped: boolean;
};

type Table<R> = { period: Period; rows: R[] };

/** By the name of the operation. */
export type Answers = {
	live: { period: Period; totals: Totals; minutes: MinuteRow[]; freshness: Freshness };
	rooms: { rooms: Room[]; more: boolean };
	/** Two rows: the period, and the one before it. */
	totals: Table<Totals>;
	activity: Table<{ from: string } & Record<Measure, number>>;
	minutes: { rows: MinuteRow[] };
	active: Table<{ from: string; people: number; rooms: number | null }>;
	replies: Table<{
		from: string;
		replies: number;
		median_seconds: number | null;
		p95_seconds: number | null;
	}> & { replies: number; median_seconds: number | null; p95_seconds: number | null };
	hours: Table<HourRow>;
	weeks: Table<WeekRow>;
	newcomers: Table<NewcomerRow>;
	"top-rooms": Table<{
		room: number;
		name: string;
		archived: boolean;
		messages: number;
		characters: number;
		reactions: number;
	}>;
	people: Table<{ person: number; name: string; days: number; quarters: number }>;
	words: Table<{ word: string; messages: number }>;
	emoji: Table<{ emoji: string; added: number; removed: number }>;
};
export type Operation = keyof Answers;
