import type { Words } from "./i18n/en";
import { dayOf } from "./rows";

const DAY_MS = 86_400_000;

/** Making a formatter takes as long as drawing a row, so each is made once. */
const dates = new Map<string, Intl.DateTimeFormat>();
function dateFormat(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
	const key = locale + JSON.stringify(options);
	let format = dates.get(key);
	if (!format) {
		format = new Intl.DateTimeFormat(locale, options);
		dates.set(key, format);
	}
	return format;
}
const ages = new Map<string, Intl.RelativeTimeFormat>();
const collators = new Map<string, Intl.Collator>();

/** The order of names that speakers of the language expect. */
export function byNameIn(words: Words): (a: string, b: string) => number {
	let collator = collators.get(words.locale);
	if (!collator) {
		collator = new Intl.Collator(words.locale);
		collators.set(words.locale, collator);
	}
	return collator.compare;
}

/** `14:05` or `2:05 PM`, depending on the language. */
export function clockTime(at: string, words: Words): string {
	return dateFormat(words.locale, { hour: "2-digit", minute: "2-digit" }).format(new Date(at));
}

export function fullTime(at: string, words: Words): string {
	return dateFormat(words.locale, { dateStyle: "long", timeStyle: "medium" }).format(new Date(at));
}

/** The clock time, with the date unless it is today: `14:05` or `26 Nov, 14:05`. */
export function momentName(at: string, words: Words, now = Date.now()): string {
	if (dayOf(at) === dayOf(new Date(now).toISOString())) return clockTime(at, words);
	return dateFormat(words.locale, {
		day: "numeric",
		month: "short",
		hour: "2-digit",
		minute: "2-digit",
	}).format(new Date(at));
}

const AGES = [
	["day", DAY_MS],
	["hour", 3_600_000],
	["minute", 60_000],
] as const;

/** `3 hours ago`, in the largest unit that fits. */
export function ago(at: string, words: Words, now = Date.now()): string {
	const age = Math.max(0, now - Date.parse(at));
	const [unit, size] = AGES.find(([, one]) => age >= one) ?? (["second", 1_000] as const);
	let format = ages.get(words.locale);
	if (!format) {
		format = new Intl.RelativeTimeFormat(words.locale, { numeric: "auto" });
		ages.set(words.locale, format);
	}
	return format.format(-Math.floor(age / size), unit);
}

/** Today, Yesterday, or the date. */
export function dayName(at: string, words: Words, now = Date.now()): string {
	const day = dayOf(at);
	if (day === dayOf(new Date(now).toISOString())) return words.today;
	if (day === dayOf(new Date(now - DAY_MS).toISOString())) return words.yesterday;
	const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
	return dateFormat(words.locale, {
		weekday: "long",
		day: "numeric",
		month: "long",
		...(sameYear ? {} : { year: "numeric" }),
	}).format(new Date(at));
}

/** One or two letters that stand for a person. */
export function initials(name: string): string {
	const words = name.split(/[\s._-]+/).filter((word) => /^\p{L}/u.test(word));
	const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
	return letters.map((word) => [...(word ?? name.trim())][0]?.toUpperCase() ?? "?").join("");
}

/** A hue, 0–11, that always belongs to the same id. */
export function hueOf(id: number): number {
	return Math.abs((id * 2_654_435_761) % 4_294_967_296) % 12;
}

/** Length as the server counts it: code points, not UTF-16 units. */
const TURNED =
	/[\u200e\u200f\u202a-\u202e\p{scx=Arab}\p{scx=Hebr}\p{scx=Syrc}\p{scx=Thaa}\p{scx=Nkoo}\p{scx=Adlm}]/u;

/** A name within a sentence, isolated so that a right-to-left name does not reorder the text beside it. */
export function isolated(name: string): string {
	return TURNED.test(name) ? `\u2068${name}\u2069` : name;
}

export function characters(text: string): number {
	let length = text.length;
	for (let i = 0; i < text.length - 1; i++) {
		const unit = text.charCodeAt(i);
		if (unit >= 0xd800 && unit < 0xdc00) length--;
	}
	return length;
}
