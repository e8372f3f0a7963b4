/** What the page was served with, and what it shows now: kept in its address, so that it can be shared. */

import type { Room } from "./answers";
import { find } from "./dom";

interface Served {
	/** Address of the operations. */
	api: string;
	/** Whether the person may see all rooms together. */
	allRooms: boolean;
	/** The room that is shown at first. */
	room: Room | null;
	signIn: string;
}

export const served: Served = JSON.parse(find("#analytics-page").textContent ?? "");

/** The browser's time zone; UTC where it does not say, or names one that the server does not know. */
export let zone = ownZone();

function ownZone(): string {
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
export function fallBackToUtc(): void {
	zone = "UTC";
}

const PERIODS = ["24h", "7d", "30d", "365d"];
const DEFAULT_PERIOD = "7d";

/** What is chosen. With `period` "custom", `from` and `to` are local dates, both inclusive. */
export interface Choice {
	period: string;
	from: string;
	to: string;
	room: Room | null;
}

export function chosenByAddress(): Choice {
	const query = new URLSearchParams(location.search);
	const from = query.get("from") ?? "";
	const to = query.get("to") ?? "";
	const asked = query.get("period") ?? "";
	const period = from && to ? "custom" : PERIODS.includes(asked) ? asked : DEFAULT_PERIOD;
	return { period, from, to, room: served.room };
}

/** The choice as the query of an operation. */
export function queryOf(choice: Choice): URLSearchParams {
	const query = new URLSearchParams();
	if (choice.room !== null) query.set("room", String(choice.room.id));
	if (choice.period === "custom") {
		query.set("from", choice.from);
		query.set("to", choice.to);
	} else query.set("period", choice.period);
	return query;
}

/** Writes the choice into the address. */
export function remember(choice: Choice): void {
	const address = `${location.pathname}?${queryOf(choice)}`;
	if (address !== location.pathname + location.search) history.pushState(null, "", address);
}
