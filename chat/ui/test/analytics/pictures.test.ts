import { describe, expect, it, vi } from "vitest";
import { asWideAs } from "../../src/analytics/as-wide-as";
import { heatPicture, scale } from "../../src/analytics/heat-map";
import { timeRange, valueRange } from "../../src/analytics/plot";
import { ranked } from "../../src/analytics/ranks";
import { weekLegend, weekPicture } from "../../src/analytics/weeks";

const texts = (of: Element) => [...of.querySelectorAll("text")].map((one) => one.textContent);
const height = (bar: Element | undefined) => Number(bar?.getAttribute("height"));

describe("the bars of the weeks", () => {
	const WEEKS = [
		{ week: "2026-11-09", active: 10, new: 4, returning: 6, lost: 0 },
		{ week: "2026-11-16", active: 5, new: 0, returning: 5, lost: 5 },
		{ week: "2026-11-23", active: 8, new: 3, returning: 5, lost: null },
	];
	const bars = (at: number) => [
		...(weekPicture(300, "Weeks", WEEKS).querySelectorAll("g")[at]?.querySelectorAll("rect") ?? []),
	];

	it("have one scale for those who come and those who go", () => {
		const [, returning, fresh] = bars(0);
		const [, , , lost] = bars(1);

		expect(height(fresh) / height(returning)).toBeCloseTo(4 / 6, 2);
		expect(height(lost) / height(returning)).toBeCloseTo(5 / 6, 2);
	});

	it("stand on each other, with the lost below the line", () => {
		const [, returning, fresh] = bars(0);
		const [, , , lost] = bars(1);
		const top = (bar: Element | undefined) => Number(bar?.getAttribute("y"));

		expect(top(fresh) + height(fresh)).toBeCloseTo(top(returning), 0);
		expect(top(lost)).toBeGreaterThan(top(returning) + height(returning));
	});

	it("say in words what they show; how many are lost is not known before the week is over", () => {
		const told = (at: number) => bars(at)[0]?.parentElement?.querySelector("title")?.textContent;

		expect(told(1)).toMatch(/^Week of .*16.*\nNew: 0\nReturning: 5\nLost: 5$/);
		expect(told(2)).toMatch(/\nLost: –$/);
	});

	it("have the number of people above, and always the date of the last week below", () => {
		expect(texts(weekPicture(300, "Weeks", WEEKS))).toEqual(["10", "Nov 9", "5", "Nov 16", "8", "Nov 23"]);
		expect(texts(weekPicture(60, "Weeks", WEEKS))).toEqual(["Nov 23"]);
	});

	it("have a legend with the sums of those who came and went", () => {
		expect([...weekLegend(WEEKS).children].map((one) => one.textContent)).toEqual([
			"New 7",
			"Returning ",
			"Lost 5",
		]);
	});

	it("stay within the picture when nobody was there", () => {
		const none = [{ week: "2026-11-23", active: 0, new: 0, returning: 0, lost: null }];
		const heights = [...weekPicture(100, "Weeks", none).querySelectorAll("rect")].map(height);

		expect(heights).toEqual([230, 0, 0, 0]);
	});
});

describe("the heat map", () => {
	const cell = (value: number | null, strength = 0) => ({ value, strength, title: `${value}`, text: "50%" });

	it("draws nothing for what has not come yet", () => {
		const map = { name: "Who stays", rows: ["a"], columns: ["0", "1"], cells: [[cell(0), cell(null)]] };

		expect(heatPicture(300, map).querySelectorAll("rect")).toHaveLength(1);
	});

	it("is pale for none and never invisible, and full for the most", () => {
		const map = { name: "Hours", rows: ["a"], columns: ["0", "1"], cells: [[cell(0, 0), cell(9, 1)]] };
		const shades = [...heatPicture(300, map).querySelectorAll("rect")].map((one) =>
			one.getAttribute("fill-opacity"),
		);

		expect(shades).toEqual(["0.060", "1.000"]);
	});

	it("writes into cells that are wide enough, light on dark ones", () => {
		const map = { name: "", rows: ["a"], columns: ["0", "1"], cells: [[cell(1, 0.5), cell(2, 0.6)]] };
		const within = (width: number) =>
			[...heatPicture(width, map).querySelectorAll("g > g > text")].map((one) => one.getAttribute("class"));

		expect(within(34 + 2 * 30)).toEqual(["is-cell", "is-on-colour"]);
		expect(within(34 + 2 * 29)).toEqual([]);
	});

	it("names as many columns as there is room for", () => {
		const columns = Array.from({ length: 24 }, (_, hour) => String(hour));
		const names = (width: number) => texts(heatPicture(width, { name: "", rows: [], columns, cells: [] }));

		expect(names(34 + 24 * 26)).toHaveLength(24);
		expect(names(34 + 24 * 13)).toEqual(columns.filter((_, hour) => hour % 2 === 0));
		expect(names(200)).toEqual(["0", "4", "8", "12", "16", "20"]);
	});

	it("has a scale from the least to the most", () => {
		expect(scale("0", "12K").textContent).toBe("012K");
	});
});

describe("a ranked list", () => {
	const width = (of: Element, at: number) => of.querySelectorAll("rect")[at]?.getAttribute("width");

	it("measures bars by the first, and shows even the smallest", () => {
		const list = ranked([
			{ name: "a", value: 400, text: "400" },
			{ name: "b", value: 100, text: "100" },
			{ name: "c", value: 1, text: "1" },
		]);

		expect([0, 1, 2].map((at) => width(list, at))).toEqual(["100.0", "25.0", "0.5"]);
	});

	it("does not divide by nothing", () => {
		expect(width(ranked([{ name: "a", value: 0, text: "0" }]), 0)).toBe("0.5");
	});

	it("is of buttons where a name leads somewhere, and of plain lines elsewhere", () => {
		const open = vi.fn();
		const list = ranked([
			{ name: "# <b>general</b>", value: 2, text: "2", open },
			{ name: "👍", value: 1, text: "1", emoji: true },
		]);

		list.querySelector("button")?.click();

		expect(open).toHaveBeenCalledOnce();
		expect(list.querySelectorAll("button")).toHaveLength(1);
		// A name is text, whatever is in it.
		expect(list.querySelector("span")?.textContent).toBe("# <b>general</b>");
		expect(list.querySelectorAll("span")[1]?.className).toBe("is-emoji");
	});
});

describe("the axes of a chart", () => {
	it("begin at nothing and leave some air above the most", () => {
		expect(valueRange(100)).toEqual([0, 108]);
		expect(valueRange(0)).toEqual([0, 4]);
		expect(valueRange(null)).toEqual([0, 4]);
	});

	it("leave half a step on both sides of bars, and nothing beside lines", () => {
		expect(timeRange([60, 120, 180], true, 60, 180)).toEqual([30, 210]);
		expect(timeRange([60, 120, 180], false, 60, 180)).toEqual([60, 180]);
	});

	it("have room for a single point", () => {
		expect(timeRange([7200], true, 7200, 7200)).toEqual([5400, 9000]);
		expect(timeRange([7200], false, 7200, 7200)).toEqual([5400, 9000]);
	});
});

describe("a picture as wide as its box", () => {
	it("waits until the box has a width", () => {
		const box = document.createElement("div");
		const drawn = vi.fn(() => document.createElement("i"));

		asWideAs(box, drawn)();
		expect(drawn).not.toHaveBeenCalled();

		Object.defineProperty(box, "clientWidth", { value: 320 });
		asWideAs(box, drawn)();
		expect(drawn).toHaveBeenCalledExactlyOnceWith(320);
		expect(box.children).toHaveLength(1);
	});
});
