import { describe, expect, it } from "vitest";
import { excerptAround, wordsOf } from "../src/lib/excerpt";

const marked = (body: string, ...words: string[]) =>
	excerptAround(body, words)
		.map(({ text, hit }) => (hit ? `[${text}]` : text))
		.join("");

describe("wordsOf", () => {
	it("takes words and phrases, not operators and exclusions", () => {
		expect(wordsOf('Отчёт "за неделю" or Report -draft -"not this"')).toEqual([
			"отчёт",
			"за",
			"неделю",
			"report",
		]);
	});
});

describe("excerptAround", () => {
	it("marks whole words in any case", () => {
		expect(marked("Deploy, then deploy again; redeploy not.", "deploy")).toBe(
			"[Deploy], then [deploy] again; redeploy not.",
		);
	});

	it("shows the part of a long message where the first word stands", () => {
		const body = `${"before ".repeat(60)}needle ${"after ".repeat(80)}`;

		const shown = marked(body, "needle");

		expect(shown).toMatch(/^… before .*\[needle\] after .* …$/);
		expect(shown.length).toBeLessThan(260);
	});

	it("shows the beginning when the word is not in the text as it stands", () => {
		expect(marked("many   lines\nand spaces", "other")).toBe("many lines and spaces");
	});

	it("cuts a text without spaces", () => {
		const shown = marked("x".repeat(1_000), "needle");

		expect(shown.length).toBeLessThan(260);
		expect(shown.endsWith(" …")).toBe(true);
	});
});
