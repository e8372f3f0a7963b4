// @ts-check
/** What the page was served with, and what it shows now: kept in its address, so that it can be shared. */

import { find } from "analytics/dom";

/**
 * @typedef {object} Served
 * @property {string} api Address of the operations.
 * @property {boolean} allRooms Whether the person may see all rooms together.
 * @property {import("analytics/types").Room | null} room The room that is shown at first.
 * @property {string} signIn
 */

/** @type {Served} */
export const served = JSON.parse(find("#analytics-page").textContent ?? "");

/** The browser's time zone; UTC where it does not say, or names one that the server does not know. */
export let zone = ownZone();

function ownZone() {
	const named = Intl.DateTimeFormat().resolvedOptions().timeZone;
	try {
		// A machine without one says `Etc/Unknown`, which the browser itself does not take back.
		new Intl.DateTimeFormat("en", { timeZone: named });
		return named || "UTC";
	} catch {
		return "UTC";
	}
}

/** Called when the server has refused the zone, such as one that is newer than its list. */
export function fallBackToUtc() {
	zone = "UTC";
}

const PERIODS = ["24h", "7d", "30d", "365d"];
export const DEFAULT_PERIOD = "7d";

/**
 * What is chosen. With `period` "custom", `from` and `to` are local dates, both inclusive.
 * @typedef {{period: string, from: string, to: string, room: import("analytics/types").Room | null}} Choice
 */

/** @returns {Choice} */
export function chosenByAddress() {
	const query = new URLSearchParams(location.search);
	const from = query.get("from") ?? "";
	const to = query.get("to") ?? "";
	const asked = query.get("period") ?? "";
	const period = from && to ? "custom" : PERIODS.includes(asked) ? asked : DEFAULT_PERIOD;
	return { period, from, to, room: served.room };
}

/** The choice as the query of an operation. @param {Choice} choice @returns {URLSearchParams} */
export function queryOf(choice) {
	const query = new URLSearchParams();
	if (choice.room !== null) query.set("room", String(choice.room.id));
	if (choice.period === "custom") {
		query.set("from", choice.from);
		query.set("to", choice.to);
	} else query.set("period", choice.period);
	return query;
}

/** Writes the choice into the address. @param {Choice} choice */
export function remember(choice) {
	const address = `${location.pathname}?${queryOf(choice)}`;
	if (address !== location.pathname + location.search) history.pushState(null, "", address);
}
