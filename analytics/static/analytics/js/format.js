// @ts-check
/** Numbers, times and lengths of time as people of the page's language write them. */

import { language, words } from "analytics/words";

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

/** @param {number} n */
export const number = (n) => whole.format(n);

/** @param {number} n From 10,000 on in three digits: 12.3K. */
export const brief = (n) => (Math.abs(n) < 10_000 ? whole.format(n) : short.format(n));

/** @param {number} now @param {number} before Not 0. */
export const percent = (now, before) => change.format((now - before) / before);

/** A length of time in its two largest units: 45 s, 2 min 5 s, 3 h. @param {number} seconds */
export function duration(seconds) {
	if (seconds < 10) return `${Number(seconds.toFixed(1)).toLocaleString(locale)} ${words.seconds}`;
	const total = Math.round(seconds);
	/** @type {[number, string][]} */
	const units = [
		[86_400, words.days],
		[3_600, words.hours],
		[60, words.minutes],
		[1, words.seconds],
	];
	const first = units.findIndex(([size]) => total >= size);
	let rest = total;
	const parts = [];
	for (const [size, unit] of units.slice(first, first + 2)) {
		const n = Math.floor(rest / size);
		rest -= n * size;
		if (n > 0) parts.push(`${n} ${unit}`);
	}
	return parts.join(" ");
}

/** @param {number} milliseconds How long ago. */
export function ago(milliseconds) {
	const seconds = Math.max(0, Math.round(milliseconds / 1000));
	if (seconds < 60) return relative.format(-seconds, "second");
	if (seconds < 3600) return relative.format(-Math.round(seconds / 60), "minute");
	if (seconds < 86_400) return relative.format(-Math.round(seconds / 3600), "hour");
	return relative.format(-Math.round(seconds / 86_400), "day");
}

/**
 * Writes the beginning of a step of time, in the zone that the numbers were cut by.
 * @param {import("analytics/types").Step} step @param {string} zone
 */
export function stepNames(step, zone) {
	/** @type {Record<string, Intl.DateTimeFormatOptions>} */
	const shapes = {
		minute: { hour: "2-digit", minute: "2-digit" },
		hour: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
		day: { weekday: "short", day: "numeric", month: "short" },
		week: { day: "numeric", month: "short", year: "numeric" },
		month: { month: "long", year: "numeric" },
	};
	const format = new Intl.DateTimeFormat(locale, { ...shapes[step], timeZone: zone });
	/** @param {string | number} moment */
	return (moment) => format.format(new Date(moment));
}

/** Labels of a time axis: short, and as exact as the steps between them. @param {string} zone */
export function axisNames(zone) {
	/** @param {Intl.DateTimeFormatOptions} options */
	const shape = (options) => new Intl.DateTimeFormat(locale, { ...options, timeZone: zone });
	const time = shape({ hour: "2-digit", minute: "2-digit" });
	const day = shape({ day: "numeric", month: "short" });
	const month = shape({ month: "short", year: "2-digit" });
	/** @param {number[]} seconds */
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

/** A local date, YYYY-MM-DD. @param {Date} date @param {string} zone */
export function isoDate(date, zone) {
	const parts = new Intl.DateTimeFormat("en-CA", {
		timeZone: zone,
		year: "numeric",
		month: "2-digit",
		day: "2-digit",
	});
	return parts.format(date);
}

/** A whole period in words. @param {string} from @param {string} to Exclusive. @param {string} zone */
export function range(from, to, zone) {
	const begin = new Date(from);
	const end = new Date(Date.parse(to) - 1);
	const hours = (end.getTime() - begin.getTime()) / 3_600_000;
	/** @type {Intl.DateTimeFormatOptions} */
	const options = { day: "numeric", month: "long", year: "numeric", timeZone: zone };
	if (hours < 30) Object.assign(options, { month: "short", hour: "2-digit", minute: "2-digit" });
	const format = new Intl.DateTimeFormat(locale, options);
	return words.range(format.format(begin), format.format(end), zone.replaceAll("_", " "));
}
