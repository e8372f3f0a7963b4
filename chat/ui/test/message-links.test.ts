// DOMPurify does not run on happy-dom.
// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { Allowance } from "../src/lib/allowance";
import { renderMarkdown } from "../src/lib/markdown";
import { forwarded, linkedMessages } from "../src/lib/message-links";

const HERE = `${location.origin}${location.pathname}`;
const found = (text: string) => linkedMessages(renderMarkdown(text).html ?? "");

describe("links to messages", () => {
	it("are those of this installation, each once", () => {
		expect(
			found(`see ${HERE}#/general/12 and [that](${HERE}#/caf%C3%A9/3), again ${HERE}#/general/12`),
		).toEqual([
			{ slug: "general", seq: 12 },
			{ slug: "café", seq: 3 },
		]);
	});

	it("are not those elsewhere, of rooms, in code, or with nonsense in them", () => {
		for (const text of [
			"https://example.com/#/general/12",
			`https://example.com/?${HERE}#/general/12`,
			`${HERE}#/general`,
			`\`${HERE}#/general/12\``,
			`${HERE}#/%FF/12`,
			`${HERE}#/general/1234567890123456`,
		])
			expect(found(text), text).toEqual([]);
	});

	it("are bounded", () => {
		expect(found(Array.from({ length: 50 }, (_, at) => `${HERE}#/general/${at}`).join(" ")).length).toBe(3);
	});
});

describe("what a page full of links may ask", () => {
	it("is a burst, and then little by little", () => {
		let now = 0;
		const allowance = new Allowance(3, 2, () => now);
		const takes = (n: number) => Array.from({ length: n }, () => allowance.take()).filter(Boolean).length;

		expect(takes(10)).toBe(3);
		now = 1_000;
		expect(takes(10)).toBe(2);
		now = 60_000;
		expect(takes(10)).toBe(3);
	});
});

describe("a forwarded message", () => {
	it("is a quote with its link, which is no part of the quote", () => {
		const text = forwarded("one\n\n- two", `${HERE}#/general/12`);

		expect(text).toBe(`> one\n>\n> - two\n${HERE}#/general/12\n`);
		const root = document.createElement("div");
		root.innerHTML = renderMarkdown(text).html ?? "";
		expect(root.querySelector("blockquote li")?.textContent).toBe("two");
		expect(root.querySelector("blockquote a")).toBeNull();
	});

	it("fits into a message", () => {
		expect([...forwarded("ы".repeat(8_000), `${HERE}#/general/12`)].length).toBeLessThan(7_100);
		expect(forwarded("x\n".repeat(3_900), HERE).length).toBeLessThan(8_000);
	});
});
