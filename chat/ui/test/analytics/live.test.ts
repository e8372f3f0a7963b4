import { describe, expect, it } from "vitest";
import { loadedIn } from "./as-loaded";

describe("how fresh the numbers are", () => {
	const load = () => import("../../src/analytics/live");
	const NOW = Date.parse("2026-11-29T12:00:00Z");
	const at = (secondsAgo: number) => new Date(NOW - 1000 * secondsAgo).toISOString();
	const counted = { now: at(0), counted_at: at(0), waiting: 0, stopped: false };

	it.each([
		["nothing was asked yet", null, 0, "", ""],
		["a single question failed", null, 1, "", ""],
		["nobody answers", { ...counted, stored_at: at(0), last_event_at: at(0) }, 2, "lost", "No answer"],
		[
			"counting stopped",
			{ ...counted, stopped: true, stored_at: at(9), last_event_at: at(9) },
			0,
			"lost",
			"Counting has stopped",
		],
		["nothing happened ever", { ...counted, stored_at: null, last_event_at: null }, 0, "behind", "No event"],
		[
			"nothing is counted",
			{ ...counted, stored_at: at(3), last_event_at: null },
			0,
			"behind",
			"Nothing is counted",
		],
		[
			"all is counted",
			{ ...counted, stored_at: at(300), last_event_at: at(300) },
			0,
			"live",
			"Live · last event 5 min",
		],
		[
			"a moment is missing",
			{ ...counted, stored_at: at(8), last_event_at: at(90) },
			0,
			"live",
			"Live · last event 2 min",
		],
		[
			"much is missing",
			{ ...counted, stored_at: at(60), last_event_at: at(3600), waiting: 1 },
			0,
			"behind",
			"Counting is behind: what happened up to 1 h",
		],
	] as const)("is told when %s", async (_when, freshness, failures, phase, beginning) => {
		const { freshnessInWords } = await loadedIn("en", load);
		const [told, text] = freshnessInWords(freshness, failures, NOW);

		expect(told).toBe(phase);
		expect(text.startsWith(beginning)).toBe(true);
		expect(text === "").toBe(beginning === "");
	});

	it("has the number of events that wait, where it is known", async () => {
		const { freshnessInWords } = await loadedIn("en", load);
		const behind = (waiting: number | null) =>
			freshnessInWords({ ...counted, stored_at: at(60), last_event_at: at(90), waiting }, 0, NOW)[1];

		expect(behind(12)).toMatch(/ · 12 events still to be counted$/);
		expect(behind(null)).toMatch(/in the numbers$/);
	});
});
