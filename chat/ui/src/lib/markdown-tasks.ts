import type { MarkdownIt, Token } from "markdown-it";

/** `[ ]` or `[x]` at the beginning of an item, with a text after it. */
const BOX = /^\[([ xX])\][ \t]+/;

/** Items with a box: `- [ ] to do`, `- [x] done`. */
export function useTasks(markdown: MarkdownIt): void {
	markdown.core.ruler.push("tasks", ({ tokens }) => {
		tokens.forEach((token, at) => {
			if (token.type === "inline" && tokens[at - 2]?.type === "list_item_open") box(token);
		});
	});
	// Nobody can tick it: the message is its author's.
	markdown.renderer.rules.task_open = (tokens, at) =>
		`<label><input type="checkbox" disabled${tokens[at]?.meta ? " checked" : ""}> `;
	markdown.renderer.rules.task_close = () => "</label>";
}

function box(inline: Token): void {
	const [first, ...rest] = inline.children ?? [];
	const found = first?.type === "text" ? BOX.exec(first.content) : null;
	if (!first || !found) return;
	const text = first.content.slice(found[0].length);
	if (text === "" && rest.length === 0) return;
	const made = (type: string, nesting: -1 | 1): Token => {
		const token = Object.assign(Object.create(Object.getPrototypeOf(first)), first) as Token;
		return Object.assign(token, { type, nesting, content: "", meta: found[1] !== " " });
	};
	first.content = text;
	inline.children = [made("task_open", 1), first, ...rest, made("task_close", -1)];
}
