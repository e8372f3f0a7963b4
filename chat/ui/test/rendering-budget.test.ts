// DOMPurify does not run on happy-dom.
// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { FormattingBudget, FREE_NODES, SHARED_NODES } from "../src/lib/formatting-budget";
import {
	apart,
	beginning,
	MOST_NESTING,
	MOST_NODES,
	type Rendered,
	renderMarkdown,
	toHtml,
} from "../src/lib/markdown";
import { generated, HONEST, PATHOLOGICAL } from "./pathological";

/** How many characters may be examined for a text of 8,000: each some 30 times. */
const MOST_LOOKS = 250_000;

/** How many characters `work` examines, directly or within a match of a regular expression. */
function looks(work: () => void): number {
	const { charCodeAt } = String.prototype;
	const { exec } = RegExp.prototype;
	let count = 0;
	String.prototype.charCodeAt = function (at: number) {
		count += 1;
		return charCodeAt.call(this, at);
	};
	RegExp.prototype.exec = function (text: string) {
		const match = exec.call(this, text);
		count += match?.[0].length ?? 0;
		return match;
	};
	try {
		work();
	} finally {
		String.prototype.charCodeAt = charCodeAt;
		RegExp.prototype.exec = exec;
	}
	return count;
}

function size(html: string): { nodes: number; depth: number } {
	const root = document.createElement("template");
	root.innerHTML = html;
	const depths = (node: Node): number[] =>
		[...node.childNodes].flatMap((child) => [0, ...depths(child)].map((d) => d + 1));
	const all = depths(root.content);
	return { nodes: all.length, depth: Math.max(0, ...all) };
}

describe("what a text of 8,000 characters costs", () => {
	it.each(Object.entries(PATHOLOGICAL))("is bounded for %s", (_, text) => {
		const looked = looks(() => toHtml(text));
		const { html, nodes } = renderMarkdown(text);

		expect(looked).toBeLessThan(MOST_LOOKS);
		expect(nodes).toBeLessThanOrEqual(MOST_NODES);
		const made = size(html ?? "");
		expect(made.nodes).toBeLessThanOrEqual(nodes);
		expect(made.depth).toBeLessThanOrEqual(MOST_NESTING + 1);
	});

	it("is bounded for whatever is put together from Markdown's signs", () => {
		for (const text of generated(150, 20_261_129)) {
			let made: Rendered = { html: null, nodes: 0 };
			const looked = looks(() => {
				made = toHtml(text);
			});
			const { html, nodes } = made;

			expect(looked, text.slice(0, 200)).toBeLessThan(MOST_LOOKS);
			expect(nodes).toBeLessThanOrEqual(MOST_NODES);
			if (html !== null) expect(html.match(/<\w/g)?.length ?? 0).toBeLessThanOrEqual(nodes);
		}
	}, 60_000);

	it.each(Object.entries(HONEST))("leaves %s formatted", (_, text) => {
		expect(renderMarkdown(text).html).not.toBeNull();
	});

	it("takes less where less is allowed", () => {
		const list = "- a\n".repeat(60);

		expect(renderMarkdown(list, FREE_NODES).html).not.toBeNull();
		expect(renderMarkdown(list.repeat(2), FREE_NODES)).toEqual({ html: null, nodes: FREE_NODES });
		expect(renderMarkdown(list.repeat(2)).html).toContain("<li>");
		expect(renderMarkdown(list.repeat(2), FREE_NODES)).toEqual({ html: null, nodes: FREE_NODES });
	});

	it("does not let marks pile up on one letter", () => {
		const towers = PATHOLOGICAL["combining marks"] ?? "";
		const tallest = (text: string) => Math.max(...[...text.matchAll(/\p{M}+/gu)].map(([run]) => run.length));

		expect(tallest(renderMarkdown(towers).html ?? "")).toBeLessThanOrEqual(20);
		expect(apart("n\u0303a\u0301")).toBe("n\u0303a\u0301");
	});

	it("shows the beginning of a long plain text at first", () => {
		expect(beginning("short\nenough")).toBe("short\nenough");
		expect(beginning("a\n".repeat(4_000)).split("\n").length).toBeLessThan(20);
		expect(beginning(`a${"🎉".repeat(4_000)}`)).toMatch(/^a(?:🎉)+…$/);
	});

	it("shows nesting that the parser would leave out, and texts of which nothing would be seen", () => {
		expect(renderMarkdown(`${">".repeat(120)}lost`).html).toBeNull();
		expect(renderMarkdown(`${"- ".repeat(60)}lost`).html).toBeNull();
		for (const text of ["[a]: https://example.org", "#", "&nbsp;"])
			expect(size(renderMarkdown(text).html ?? "").nodes).toBeGreaterThan(1);
		expect(renderMarkdown("[<b>]: https://example.org").html).toContain("&lt;b&gt;");
	});
});

describe("a page of messages", () => {
	const heavy = (at: number) => `- ${at}\n`.repeat(900);

	it("formats what is heavy while there is room, and what people write in any case", () => {
		const budget = new FormattingBudget();
		const shown = Array.from({ length: 50 }, (_, at) => budget.format(Symbol(), heavy(at), false));
		const after = budget.format(Symbol(), "**so** it goes", false);

		const formatted = shown.filter(({ html }) => html !== null);
		expect(formatted.length).toBeGreaterThan(0);
		const nodes = formatted.reduce((sum, { html }) => sum + size(html ?? "").nodes, 0);
		expect(nodes).toBeLessThanOrEqual(SHARED_NODES + formatted.length * FREE_NODES);
		expect(shown.slice(formatted.length).every(({ html, onDemand }) => html === null && onDemand)).toBe(true);
		expect(after.html).toContain("<strong>");
	});

	it("does next to nothing for bombs once its room is used up", () => {
		const budget = new FormattingBudget();
		const bombs = Array.from({ length: 50 }, (_, at) => `${at}\n\n${PATHOLOGICAL["a table of bare pipes"]}`);
		const spent = bombs.map((bomb) => looks(() => budget.format(Symbol(), bomb, false)));

		const sum = spent.reduce((all, one) => all + one, 0);
		expect(sum).toBeLessThan(4 * MOST_LOOKS);
	});

	it("formats a message that the reader asks for, and those for which there is room again", () => {
		const budget = new FormattingBudget();
		const rows = Array.from({ length: 50 }, () => Symbol());
		rows.forEach((row, at) => {
			budget.format(row, heavy(at), false);
		});
		const last = rows.at(-1) as symbol;

		expect(budget.format(last, heavy(49), true).html).not.toBeNull();
		for (const row of rows) budget.release(row);
		expect(budget.format(last, heavy(49), false).html).not.toBeNull();
		expect(budget.format(last, PATHOLOGICAL["five tables of bare pipes"] ?? "", true)).toEqual({
			html: null,
			onDemand: false,
		});
	});
});
