import { afterEach, describe, expect, it } from "vitest";
import type { Choice } from "../../src/analytics/page";
import { loadedIn } from "./as-loaded";

const load = () => import("../../src/analytics/page");
const ROOM = { id: 7, name: "Kitchen", kind: "private", archived: false };

async function chosenAt(query: string): Promise<Choice> {
	history.replaceState(null, "", `/analytics/${query}`);
	return (await loadedIn("en", load, { served: { room: ROOM } })).chosenByAddress();
}

describe("what the address chooses", () => {
	it.each([
		["", "7d"],
		["?period=365d", "365d"],
		["?period=fortnight", "7d"],
		["?from=2026-11-01", "7d"],
		["?from=2026-11-01&to=2026-11-05&period=24h", "custom"],
	])("is for %j the period %s", async (query, period) => {
		expect(await chosenAt(query)).toMatchObject({ period, room: ROOM });
	});
});

describe("the address of a choice", () => {
	it.each([["?room=7&period=30d"], ["?room=7&from=2026-11-01&to=2026-11-05"]])(
		"chooses the same again: %s",
		async (query) => {
			const choice = await chosenAt(query);
			const { queryOf, remember } = await import("../../src/analytics/page");

			remember({ ...choice, period: "24h" });
			remember(choice);

			expect(`?${queryOf(choice)}`).toBe(query);
			expect(location.search).toBe(query);
		},
	);

	it("has no room where all are shown", async () => {
		const { queryOf } = await loadedIn("en", load);

		expect(String(queryOf({ period: "24h", from: "", to: "", room: null }))).toBe("period=24h");
	});

	it("is written once, so that going back leads to what was there before", async () => {
		const choice = await chosenAt("?room=7&period=30d");
		const { remember } = await import("../../src/analytics/page");
		const before = history.length;

		remember(choice);

		expect(history.length).toBe(before);
	});
});

describe("the time zone", () => {
	const real = Intl.DateTimeFormat;
	afterEach(() => {
		Intl.DateTimeFormat = real;
	});

	it.each([
		["Europe/Moscow", "Europe/Moscow"],
		["Etc/Unknown", "UTC"],
		["", "UTC"],
	])("of a browser that says %j is %s", async (named, taken) => {
		Intl.DateTimeFormat = new Proxy(real, {
			apply: () => ({ resolvedOptions: () => ({ timeZone: named }) }),
		});

		expect((await loadedIn("en", load)).zone).toBe(taken);
	});

	it("is UTC once the server has refused it", async () => {
		const page = await loadedIn("en", load);

		page.fallBackToUtc();

		expect(page.zone).toBe("UTC");
	});
});
