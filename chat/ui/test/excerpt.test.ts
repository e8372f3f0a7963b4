import { describe, expect, it } from "vitest";
import { excerptAround, isEnough } from "../src/lib/excerpt";

const marked = (body: string, ...words: string[]) =>
	excerptAround(body, words)
		.map(({ text, hit }) => (hit ? `[${text}]` : text))
		.join("");

describe("isEnough", () => {
	it.each(["ab", "😀", "猫", "て", "€", "→", ":)"])("takes %s", (text) => {
		expect(isEnough(text)).toBe(true);
	});

	it.each(["", "a", "я", "1", "."])("does not take %s", (text) => {
		expect(isEnough(text)).toBe(false);
	});
});

describe("excerptAround", () => {
	it("marks words where they stand alone", () => {
		expect(marked("Deploy, then deploy again; redeploy not.", "Deploy", "deploy")).toBe(
			"[Deploy], then [deploy] again; redeploy not.",
		);
	});

	it("marks what was pasted and scripts without spaces wherever they stand", () => {
		expect(marked("released v2.14.3-rc1", "2.14.3-rc1")).toBe("released v[2.14.3-rc1]");
		expect(marked("a (<b>) or c:\\d|e", "(<b>)", "c:\\d|e")).toBe("a [(<b>)] or [c:\\d|e]");
		expect(marked("讨论搜索功能", "搜索")).toBe("讨论[搜索]功能");
		expect(marked("well 👍🏽", "👍")).toBe("well [👍]🏽");
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
