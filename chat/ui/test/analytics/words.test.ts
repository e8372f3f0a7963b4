import { expect, test } from "vitest";
import { en, ru } from "../../src/analytics/words";
import { loadedIn } from "./as-loaded";

test("Russian counts with three forms, English with two", () => {
	expect([1, 2, 5, 11, 21, 22, 111].map(ru.daysCount)).toEqual([
		"1 день",
		"2 дня",
		"5 дней",
		"11 дней",
		"21 день",
		"22 дня",
		"111 дней",
	]);
	expect([0, 1, 2].map(en.daysCount)).toEqual(["0 days", "1 day", "2 days"]);
	expect(ru.behind(21)).toBe("ещё не учтено: 21 событие");
	expect(en.behind(1)).toBe("1 event still to be counted");
});

test("a column that has a name in one language has one in the other", () => {
	expect(Object.keys(ru.columns)).toEqual(Object.keys(en.columns));
	expect(ru.weekdays).toHaveLength(7);
});

test("the words are those of the page's language, and English in any other", async () => {
	const load = () => import("../../src/analytics/words");

	expect((await loadedIn("ru", load)).words.tryAgain).toBe("Повторить");
	expect((await loadedIn("en", load)).words.tryAgain).toBe("Try again");
});
