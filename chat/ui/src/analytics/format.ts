/** Numbers, times and lengths of time as people of the page's language write them. */

import type { Step } from "./answers";
import { language, words } from "./words";

/** The reader's own country for dates and times, where the browser names one. */
export const locale = navigator.languages.find((tag) => tag.startsWith(language)) ?? language;

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const change = new Intl.NumberFormat(locale, {
	style: "percent",
	signDisplay: "exceptZero",
	maximumFractionDigits: 0,
});
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });

export const number = (n: number): string => whole.format(n);

/** From 10,000 on in three digits: 12.3K. */
export const brief = (n: number): string => (Math.abs(n) < 10_000 ? whole.format(n) : short.format(n));

/** `before` is not 0. */
export const percent = (now: number, before: number): string => change.format((now - before) / before);

/** A length of time in its two largest units: 45 s, 2 min 5 s, 3 h. */
export function duration(seconds: number): string {
	if (seconds < 10) return `${Number(seconds.toFixed(1)).toLocaleString(locale)} ${words.seconds}`;
	const total = Math.round(seconds);
	const units: [number, string][] = [
		[86_400, words.days],
		[3_600, words.hours],
		[60, words.minutes],
		[1, words.seconds],
	];
	const first = units.findIndex(([size]) => total >= size);
	let rest = total;
	const parts: string[] = [];
	for (const [size, unit] of units.slice(first, first + 2)) {
		const n = Math.floor(rest / size);
		rest -= n * size;
		if (n > 0) parts.push(`${n} ${unit}`);
	}
	return parts.join(" ");
}

/** What happened so many milliseconds ago. */
export function ago(milliseconds: number): string {
	const seconds = Math.max(0, Math.round(milliseconds / 1000));
	if (seconds < 60) return relative.format(-seconds, "second");
	if (seconds < 3600) return relative.format(-Math.round(seconds / 60), "minute");
	if (seconds < 86_400) return relative.format(-Math.round(seconds / 3600), "hour");
	return relative.format(-Math.round(seconds / 86_400), "day");
}

const STEP_SHAPES: Record<Step, Intl.DateTimeFormatOptions> = {
	minute: { hour: "2-digit", minute: "2-digit" },
	hour: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
	day: { weekday: "short", day: "numeric", month: "short" },
	week: { day: "numeric", month: "short", year: "numeric" },
	month: { month: "long", year: "numeric" },
};

/** Writes the beginning of a step of time, in the zone that the numbers were cut by. */
export function stepNames(step: Step, zone: string): (moment: string | number) => string {
	const format = new Intl.DateTimeFormat(locale, { ...STEP_SHAPES[step], timeZone: zone });
	return (moment) => format.format(new Date(moment));
}

/** Labels of a time axis: short, and as exact as the steps between them. */
export function axisNames(zone: string): (seconds: number[]) => string[] {
	const shape = (options: Intl.DateTimeFormatOptions) =>
		new Intl.DateTimeFormat(locale, { ...options, timeZone: zone });
	const time = shape({ hour: "2-digit", minute: "2-digit" });
	const day = shape({ day: "numeric", month: "short" });
	const month = shape({ month: "short", year: "2-digit" });
	return (seconds) => {
		const gap = seconds.length > 1 ? Number(seconds[1]) - Number(seconds[0]) : 86_400;
		const format = gap < 86_000 ? time : gap < 26 * 86_400 ? day : month;
		let last = "";
		return seconds.map((second) => {
			const date = new Date(second * 1000);
			const name = format.format(date);
			if (format !== time) return name;
			// The day stands under the first time of it.
			const today = day.format(date);
			const label = last !== "" && last !== today ? `${name}\n${today}` : name;
			last = today;
			return label;
		});
	};
}

/** A local date, YYYY-MM-DD. */
export function isoDate(date: Date, zone: string): string {
	const parts = new Intl.DateTimeFormat("en-CA", {
		timeZone: zone,
		year: "numeric",
		month: "2-digit",
		day: "2-digit",
	});
	return parts.format(date);
}

/** A whole period in words; `to` is exclusive. */
export function range(from: string, to: string, zone: string): string {
	const begin = new Date(from);
	const end = new Date(Date.parse(to) - 1);
	const hours = (end.getTime() - begin.getTime()) / 3_600_000;
	const options: Intl.DateTimeFormatOptions = {
		day: "numeric",
		month: "long",
		year: "numeric",
		timeZone: zone,
	};
	if (hours < 30) Object.assign(options, { month: "short", hour: "2-digit", minute: "2-digit" });
	const format = new Intl.DateTimeFormat(locale, options);
	return words.range(format.format(begin), format.format(end), zone.replaceAll("_", " "));
}
