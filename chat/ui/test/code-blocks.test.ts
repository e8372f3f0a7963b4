// DOMPurify does not run on happy-dom.
// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { codeBlocks } from "../src/lib/code-blocks";
import { renderMarkdown } from "../src/lib/markdown";

function shown(text: string): HTMLElement {
	const prose = document.body.appendChild(document.createElement("div"));
	prose.innerHTML = renderMarkdown(text).html ?? "";
	return prose;
}

describe("code blocks", () => {
	it("have a head with the language and a button, which leave with the message", async () => {
		const prose = shown("```js\nlet a\n```\n```\nplain\n```");
		const before = prose.innerHTML;

		const cleanup = codeBlocks(prose);
		expect([...prose.querySelectorAll("pre")].map((block) => block.textContent?.trim())).toEqual([
			"js let a",
			"plain",
		]);
		expect(prose.querySelectorAll("pre > div button")).toHaveLength(2);
		cleanup();
		await Promise.resolve();

		expect(prose.innerHTML).toBe(before);
	});

	it("have them only as far as a message needs them", () => {
		const prose = shown("```js\na\n```\n".repeat(200));

		codeBlocks(prose);

		expect(prose.querySelectorAll("pre")).toHaveLength(200);
		expect(prose.querySelectorAll("pre button")).toHaveLength(12);
	});
});
