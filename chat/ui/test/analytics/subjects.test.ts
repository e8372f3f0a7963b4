import { describe, expect, it } from "vitest";
import { loadedIn } from "./as-loaded";

describe("what the cards ask and say", () => {
	const load = () => import("../../src/analytics/subjects");
	const choice = (period: string, room: number | null = null) => ({
		period,
		from: "",
		to: "",
		room: room === null ? null : { id: room, name: "", kind: "private", archived: false },
	});
	const period = (to: string) => ({ from: "2026-11-01T00:00Z", to, tz: "UTC", step: "day" as const });

	it("counts a year in weeks, and replies of a week by days", async () => {
		const { subjects } = await loadedIn("en", load);

		expect(subjects.active?.query?.(choice("365d"))).toEqual({ step: "week" });
		expect(subjects.active?.query?.(choice("30d"))).toEqual({});
		expect(subjects.replies?.query?.(choice("7d"))).toEqual({ step: "day" });
		expect(subjects.replies?.query?.(choice("365d"))).toEqual({ step: "week" });
	});

	it("ranks rooms where all are shown, and words in a single one", async () => {
		const { subjects } = await loadedIn("en", load);

		expect([null, 7].map((room) => subjects["top-rooms"]?.suits?.(choice("7d", room)))).toEqual([
			true,
			false,
		]);
		expect([null, 7].map((room) => subjects.words?.suits?.(choice("7d", room)))).toEqual([false, true]);
	});

	it("tells a period that is over from one that goes on", async () => {
		const { noMessages } = await loadedIn("en", () => import("../../src/analytics/subject"));

		expect(noMessages({ period: period("2026-11-05T00:00Z") }).title).toBe("No messages in this period");
		expect(noMessages({ period: period("2999-01-01T00:00Z") }).title).toBe("No messages in this period yet");
	});

	it("has newcomers by the week in which they came, without weeks in which nobody did", async () => {
		const { cohorts } = await loadedIn("en", () => import("../../src/analytics/by-week"));

		expect(
			cohorts([
				{ week: "2026-11-09", weeks_later: 0, active: 4 },
				{ week: "2026-11-16", weeks_later: 0, active: 0 },
				{ week: "2026-11-09", weeks_later: 1, active: 3 },
				{ week: "2026-11-23", weeks_later: 0, active: 2 },
			]),
		).toEqual([
			{ week: "2026-11-09", came: 4, counts: [4, 3] },
			{ week: "2026-11-23", came: 2, counts: [2] },
		]);
	});

	it("has the hours of the week as a table of hours by days", async () => {
		const { hours } = await loadedIn("en", () => import("../../src/analytics/by-week"));
		const rows = Array.from({ length: 7 * 24 }, (_, at) => ({
			weekday: Math.floor(at / 24) + 1,
			hour: at % 24,
			messages: at,
		}));
		const { columns, rows: lines } = hours.table({ period: period("2026-11-08T00:00Z"), rows });

		expect(columns.map((one) => one.label ?? one.key)).toEqual([
			"hour",
			"Mon",
			"Tue",
			"Wed",
			"Thu",
			"Fri",
			"Sat",
			"Sun",
		]);
		expect(lines).toHaveLength(24);
		expect(lines[9]).toEqual({ hour: 9, d1: 9, d2: 33, d3: 57, d4: 81, d5: 105, d6: 129, d7: 153 });
		expect(columns[0]?.text?.(9)).toBe("09:00");
	});
});
