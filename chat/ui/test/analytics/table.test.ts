import { describe, expect, it } from "vitest";
import { loadedIn, plain } from "./as-loaded";

describe("a table", () => {
	const load = () => import("../../src/analytics/table");

	it("names its rows by the first column, and its columns in the page's language", async () => {
		const { table } = await loadedIn("ru", load);
		const made = table(
			"Активность",
			[{ key: "week" }, { key: "new" }, { key: "own", label: "Мой" }],
			[{ week: "2026-11-23", new: 1234, own: "да" }],
		);

		expect([...made.querySelectorAll("thead th")].map((one) => one.textContent)).toEqual([
			"Неделя с",
			"Новые",
			"Мой",
		]);
		expect(made.querySelector("tbody th")?.getAttribute("scope")).toBe("row");
		expect([...made.querySelectorAll("td")].map((one) => plain(one.textContent))).toEqual(["1 234", "да"]);
		expect(made.getAttribute("aria-label")).toBe("Активность");
	});

	it("writes times to a reply as lengths of time, and a dash for what is not known", async () => {
		const { table } = await loadedIn("en", load);
		const columns = [{ key: "week" }, { key: "median_seconds" }, { key: "lost" }, { key: "gone" }];
		const made = table("", columns, [{ week: "a", median_seconds: 125, lost: null }]);

		expect([...made.querySelectorAll("td")].map((one) => one.textContent)).toEqual(["2 min 5 s", "–", "–"]);
	});
});
