// DOMPurify does not run on happy-dom.
// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { characters, hueOf, initials } from "../src/lib/format";
import { en } from "../src/lib/i18n/en";
import { ru } from "../src/lib/i18n/ru";
import { isOnlyEmoji, plainExcerpt, renderMarkdown } from "../src/lib/markdown";

function parsed(source: string): HTMLElement {
	const element = document.createElement("div");
	element.innerHTML = renderMarkdown(source).html ?? "";
	return element;
}

describe("Markdown", () => {
	it.each([
		"<script>alert(1)</script>",
		'<img src=x onerror="alert(1)">',
		"[x](javascript:alert(1))",
		"[x](JaVaScRiPt:alert(1))",
		"[x](data:text/html,<script>alert(1)</script>)",
		"[x](vbscript:x)",
		"![x](https://example.org/tracker.png)",
		'<a href="javascript:alert(1)">x</a>',
		"<svg><animate onbegin=alert(1)>",
		'[x](https://e.org "onmouseover=alert(1)")',
		"<iframe src=https://example.org></iframe>",
		'| a |\n|:--:|\n| <b style="position:fixed">x</b> |',
	])("makes nothing dangerous of %s", (source) => {
		const element = parsed(source);

		expect(element.querySelector("script, img, svg, iframe, style, object, form")).toBeNull();
		for (const node of element.querySelectorAll("*"))
			for (const { name, value } of node.attributes) {
				expect(name).toMatch(
					/^(href|rel|target|start|value|dir|data-language|data-mark|type|disabled|checked)$/,
				);
				if (name === "href") expect(value).toMatch(/^(https?:|mailto:)/);
			}
	});

	it("links to http, https and mailto, without giving this page away", () => {
		const links = [...parsed("https://a.org http://b.org [m](mailto:x@c.org)").querySelectorAll("a")];

		expect(links.map((link) => link.getAttribute("href"))).toEqual([
			"https://a.org",
			"http://b.org",
			"mailto:x@c.org",
		]);
		for (const link of links) expect(link.getAttribute("rel")).toContain("noopener");
	});

	it("links to addresses that begin with www, and to no names of files", () => {
		const links = [
			...parsed("See www.example.org/a?b=1. Not main.rs, awww.ru or www.").querySelectorAll("a"),
		];

		expect(links.map((link) => [link.textContent, link.getAttribute("href")])).toEqual([
			["www.example.org/a?b=1", "http://www.example.org/a?b=1"],
		]);
	});

	it("opens a place in this chat on this page, and everything else beside it", () => {
		const links = [
			...parsed(`${location.origin}/#/general/7 ${location.origin}/admin/`).querySelectorAll("a"),
		];

		expect(links.map((link) => link.getAttribute("target"))).toEqual([null, "_blank"]);
	});

	it("renders code, lists and line breaks", () => {
		const element = parsed("a\nb\n\n- one\n- two\n\n```\nlet x = 1 < 2;\n```");

		expect(element.querySelectorAll("br, li, pre code").length).toBe(4);
		expect(element.querySelector("code")?.textContent).toBe("let x = 1 < 2;\n");
	});

	it("knows messages that are nothing but a few emoji", () => {
		expect(["🎉", "👍🏽 ❤️", "👨‍👩‍👧", "1️⃣", "#️⃣ 🇺🇦"].map(isOnlyEmoji)).toEqual([true, true, true, true, true]);
		expect(["7", "12", "ok 🎉", "", "🎉🎉🎉🎉"].map(isOnlyEmoji)).toEqual([
			false,
			false,
			false,
			false,
			false,
		]);
	});

	it("cuts excerpts between characters", () => {
		expect(plainExcerpt("a\n\n b", 10)).toBe("a b");
		expect(plainExcerpt("🎉".repeat(5), 3)).toBe("🎉🎉🎉…");
	});
});

describe("words", () => {
	it("have correct plurals", () => {
		expect([1, 2, 11].map(en.newBelow)).toEqual(["1 new message", "2 new messages", "11 new messages"]);
		expect([1, 2, 5, 11, 21, 104].map(ru.newBelow)).toEqual([
			"1 новое сообщение",
			"2 новых сообщения",
			"5 новых сообщений",
			"11 новых сообщений",
			"21 новое сообщение",
			"104 новых сообщения",
		]);
		expect([1, 3, 5].map(ru.waitingCount)).toEqual([
			"1 сообщение ждёт отправки.",
			"3 сообщения ждут отправки.",
			"5 сообщений ждут отправки.",
		]);
	});
});

describe("format", () => {
	it("counts characters as the server does", () => {
		expect(characters("aя🎉")).toBe(3);
		expect(characters("🎉".repeat(8_000))).toBe(8_000);
	});

	it("makes initials of any name", () => {
		expect(["Anna", "boris petrov", "Анна Мария Ли", "Ольга 2", "🎉", "o'neil-x.y"].map(initials)).toEqual([
			"A",
			"BP",
			"АЛ",
			"О",
			"🎉",
			"OY",
		]);
		expect(hueOf(7)).toBe(hueOf(7));
	});
});
