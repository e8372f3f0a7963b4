import { describe, expect, it } from "vitest";
import { loadedIn, plain } from "./as-loaded";

const load = () => import("../../src/analytics/format");
const second = (moment: string) => Date.parse(moment) / 1000;

describe("numbers", () => {
	it("are short from ten thousand on", async () => {
		const { brief } = await loadedIn("en", load, { languages: ["en-US"] });

		expect([0, 9_999, 10_000, 12_345, 1_250_000].map(brief)).toEqual(["0", "9,999", "10K", "12.3K", "1.3M"]);
	});

	it("are written as Russian has them", async () => {
		const { brief, number, percent } = await loadedIn("ru", load);

		expect(plain(brief(12_345))).toBe("12,3 тыс.");
		expect(plain(number(1_234_567))).toBe("1 234 567");
		expect(plain(percent(3, 2))).toBe("+50 %");
	});

	it.each([
		[120, 100, "+20%"],
		[50, 100, "-50%"],
		[100, 100, "0%"],
	])("tell the change to %d from %d", async (now, before, text) => {
		const { percent } = await loadedIn("en", load);

		expect(percent(now, before)).toBe(text);
	});
});

describe("duration", () => {
	it.each([
		[0, "0 s"],
		[0.44, "0.4 s"],
		[9.96, "10 s"],
		[45, "45 s"],
		[59.6, "1 min"],
		[125, "2 min 5 s"],
		[3_600, "1 h"],
		[3_659, "1 h"],
		[3_661, "1 h 1 min"],
		[90_000, "1 d 1 h"],
		[864_000, "10 d"],
	])("writes %d seconds in the two largest units", async (seconds, text) => {
		const { duration } = await loadedIn("en", load);

		expect(duration(seconds)).toBe(text);
	});

	it("has a comma and other units in Russian", async () => {
		const { duration } = await loadedIn("ru", load);

		expect([0.5, 125, 90_000].map(duration)).toEqual(["0,5 с", "2 мин 5 с", "1 д 1 ч"]);
	});
});

describe("ago", () => {
	it.each([
		[-5_000, "now"],
		[400, "now"],
		[59_400, "59 sec ago"],
		[59_600, "1 min ago"],
		[3_600_000, "1 hr ago"],
		[86_400_000, "yesterday"],
	])("tells %d ms in the largest unit", async (milliseconds, text) => {
		const { ago } = await loadedIn("en", load, { languages: ["en-US"] });

		expect(plain(ago(milliseconds)).replace(".", "")).toBe(text);
	});
});

describe("axisNames", () => {
	it("puts the day under the first time of it", async () => {
		const { axisNames } = await loadedIn("en", load);
		const times = ["2026-11-29T22:00Z", "2026-11-29T23:00Z", "2026-11-30T00:00Z", "2026-11-30T01:00Z"];

		expect(axisNames("UTC")(times.map(second))).toEqual(["22:00", "23:00", "00:00\n30 Nov", "01:00"]);
	});

	it("begins days where the zone does, also at half past", async () => {
		const { axisNames } = await loadedIn("en", load);
		const times = ["2026-11-29T17:30Z", "2026-11-29T18:30Z"];

		expect(axisNames("Asia/Kolkata")(times.map(second))).toEqual(["23:00", "00:00\n30 Nov"]);
	});

	it("names days, and months where the steps are months", async () => {
		const { axisNames } = await loadedIn("en", load);

		expect(axisNames("UTC")(["2026-11-29T00:00Z", "2026-11-30T00:00Z"].map(second))).toEqual([
			"29 Nov",
			"30 Nov",
		]);
		expect(axisNames("UTC")(["2026-11-01T00:00Z", "2026-12-01T00:00Z"].map(second))).toEqual([
			"Nov 26",
			"Dec 26",
		]);
		expect(axisNames("UTC")([second("2026-11-29T00:00Z")])).toEqual(["29 Nov"]);
	});
});

describe("range", () => {
	it("names the last day that belongs to it", async () => {
		const { range } = await loadedIn("en", load);

		expect(range("2026-11-01T00:00+03:00", "2026-11-08T00:00+03:00", "Europe/Moscow")).toBe(
			"1 November 2026 – 7 November 2026, Europe/Moscow time",
		);
	});

	it("has the time of day when it is short", async () => {
		const { range } = await loadedIn("en", load);

		expect(range("2026-11-28T15:00-03:00", "2026-11-29T15:00-03:00", "America/Sao_Paulo")).toBe(
			"28 Nov 2026, 15:00 – 29 Nov 2026, 14:59, America/Sao Paulo time",
		);
	});

	it("speaks Russian", async () => {
		const { range } = await loadedIn("ru", load);

		expect(plain(range("2026-11-01T00:00Z", "2026-11-08T00:00Z", "UTC"))).toBe(
			"1 ноября 2026 г. – 7 ноября 2026 г., время: UTC",
		);
	});
});

describe("dates", () => {
	it("are those of the zone", async () => {
		const { isoDate } = await loadedIn("en", load);
		const moment = new Date("2026-11-29T20:00Z");

		expect(isoDate(moment, "UTC")).toBe("2026-11-29");
		expect(isoDate(moment, "Asia/Tokyo")).toBe("2026-11-30");
	});

	it.each([
		[["de-DE", "en-US"], "Nov 30, 2026"],
		[["en-GB", "en-US"], "30 Nov 2026"],
		[["de-DE"], "Nov 30, 2026"],
	])("follow the reader's country as far as %j names one", async (languages, text) => {
		const { stepNames } = await loadedIn("en", load, { languages });

		expect(stepNames("week", "UTC")("2026-11-30")).toBe(text);
	});
});
