import type { MarkdownIt, Ruler, StateBlock } from "markdown-it";
import { setDirections } from "./markdown-direction";
import { matchAt } from "./match-at";

/** The start of an item: a mark and a text. `+ 1` is no item, nor is `007.`, which would lose its zeros, nor a year. */
const ITEM = /(?:[-*]|(?:0|[1-9]\d{0,2})[.)])[ \t]+\S/y;
/** `>_<`, `>:(` and `>5` are no quotes, and neither is a `>` with nothing after it. */
const QUOTE = />{1,200}(?=[ \t]+\S|\p{L})/uy;
const EMPTY_QUOTE = />[> \t]*(?=\n|$)/y;
const HEADING = /(#{1,6})[ \t]+(?=\S)/y;
const LINE = /-{3,}[ \t]*(?=\n|$)/y;
const FENCE = /```/y;
/** Text after the fence that is no such word is code. */
const LANGUAGE = /^[a-z][\w+#.-]{0,19}$/i;

type Rule = (state: StateBlock, line: number, end: number, silent: boolean) => boolean;

/**
 * Blocks in a chat: Markdown's, without rules that would swallow characters of short texts, or pull lines into blocks
 * to which they do not belong. See docs/message-text.md.
 */
export function useBlocks(markdown: MarkdownIt): void {
	const { ruler } = markdown.block;
	const list = guarded(takeRule(ruler, "list"), (state, line) => startsWith(state, line, ITEM) !== null);
	const table = takeRule(ruler, "table");
	const fence = takeRule(ruler, "fence");
	let columns = 0;

	ruler.at("list", list, { alt: ["paragraph", "blockquote"] });
	ruler.at("fence", (state, line, end, silent) => codeBlock(fence, state, line, end, silent), {
		alt: ["paragraph", "blockquote", "list"],
	});
	ruler.at("blockquote", quote, { alt: ["paragraph", "blockquote", "list"] });
	ruler.at("hr", horizontalLine, { alt: ["paragraph", "blockquote", "list"] });
	ruler.at("heading", heading, { alt: ["paragraph", "blockquote"] });
	ruler.at(
		"table",
		(state, line, end, silent) => {
			columns = cells(state, line);
			return table(state, line, end, silent);
		},
		{ alt: ["paragraph"] },
	);
	// First decides whether the block continues with `line`.
	ruler.before(
		"table",
		"end",
		(state, line, _, silent) => {
			if (!silent) return false;
			// Its further cells would not be shown.
			if (state.parentType === "table") return cells(state, line) > columns;
			if (state.parentType === "list") return startsWith(state, line, ITEM) === null;
			// A line that is not indented does not continue the previous item.
			return indent(state, line) < 0;
		},
		{ alt: ["paragraph", "blockquote", "list"] },
	);
	ruler.enableOnly(["end", "table", "fence", "blockquote", "hr", "list", "heading", "paragraph"]);
	markdown.core.ruler.push("attributes", ({ tokens }) => {
		for (const token of tokens) {
			if (token.type === "list_item_open" && token.info !== "") token.attrSet("value", token.info);
			if (token.type === "ordered_list_open" && token.markup === ")") token.attrSet("data-mark", ")");
		}
	});
	markdown.core.ruler.push("direction", ({ tokens }) => setDirections(tokens));
	markdown.renderer.rules.fence = (tokens, at) => {
		const { info = "", content = "" } = tokens[at] ?? {};
		const { escapeHtml } = markdown.utils;
		const language = info === "" ? "" : ` data-language="${escapeHtml(info)}"`;
		return `<pre dir="ltr"${language}><code>${escapeHtml(content)}</code></pre>\n`;
	};
}

/** The original rule of that name, found by disabling all others for the moment. */
export function takeRule<Args extends unknown[], Result>(
	ruler: Ruler<Args, Result>,
	name: string,
): (...args: Args) => Result {
	ruler.enableOnly(name);
	const [rule] = ruler.getRules("");
	if (!rule) throw new Error(`markdown-it has no rule ${name}`);
	return rule;
}

function guarded(rule: Rule, allowed: (state: StateBlock, line: number) => boolean): Rule {
	return (state, line, end, silent) => allowed(state, line) && rule(state, line, end, silent);
}

function start(state: StateBlock, line: number): number {
	return (state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0);
}

/** By how much a line is indented relative to its block. */
function indent(state: StateBlock, line: number): number {
	return (state.sCount[line] ?? 0) - state.blkIndent;
}

/** The match of `sticky` at the first character of the line. */
function startsWith(state: StateBlock, line: number, sticky: RegExp): RegExpExecArray | null {
	return matchAt(sticky, state.src, start(state, line));
}

function horizontalLine(state: StateBlock, line: number, _: number, silent: boolean): boolean {
	if (indent(state, line) > 3 || !startsWith(state, line, LINE)) return false;
	if (silent) return true;
	state.line = line + 1;
	state.push("hr", "hr", 0).map = [line, state.line];
	return true;
}

/** Characters at the end stay: they may belong to the text, as in `# C#` or `# for C #`. */
function heading(state: StateBlock, line: number, _: number, silent: boolean): boolean {
	const found = indent(state, line) > 3 ? null : startsWith(state, line, HEADING);
	if (!found) return false;
	if (silent) return true;
	const tag = `h${found[1]?.length ?? 1}`;
	state.line = line + 1;
	state.push("heading_open", tag, 1).map = [line, state.line];
	const inline = state.push("inline", "", 0);
	inline.content = state.src.slice(start(state, line) + found[0].length, state.eMarks[line]).trim();
	inline.map = [line, state.line];
	inline.children = [];
	state.push("heading_close", tag, -1);
	return true;
}

/** A quote has only the lines with a mark: the text after them is the answer. */
function quote(state: StateBlock, line: number, end: number, silent: boolean): boolean {
	if (indent(state, line) > 3 || !startsWith(state, line, QUOTE)) return false;
	if (silent) return true;
	const marks = [state.bMarks, state.tShift, state.sCount, state.bsCount];
	const before = marks.map((mark) => mark.slice(line, end));
	let next = line;
	for (; next < end && indent(state, next) >= 0; next++) {
		if (!startsWith(state, next, QUOTE) && !startsWith(state, next, EMPTY_QUOTE)) break;
		withoutMark(state, next);
	}
	const { lineMax, parentType, blkIndent } = state;
	state.lineMax = next;
	state.parentType = "blockquote";
	state.blkIndent = 0;
	const open = state.push("blockquote_open", "blockquote", 1);
	open.map = [line, next];
	state.md.block.tokenize(state, line, next);
	state.push("blockquote_close", "blockquote", -1);
	Object.assign(state, { lineMax, parentType, blkIndent });
	marks.forEach((mark, at) => {
		mark.splice(line, next - line, ...(before[at] ?? []).slice(0, next - line));
	});
	return true;
}

/** Makes the line begin after its `>` and one space. */
function withoutMark(state: StateBlock, line: number): void {
	let from = start(state, line) + 1;
	if (" \t".includes(state.src.charAt(from) || "\n")) from += 1;
	const column = (state.sCount[line] ?? 0) + 2;
	let at = from;
	let width = 0;
	for (; at < (state.eMarks[line] ?? 0); at++) {
		const character = state.src[at];
		if (character === "\t") width += 4 - ((width + column) % 4);
		else if (character === " ") width += 1;
		else break;
	}
	state.bMarks[line] = from;
	state.tShift[line] = at - from;
	state.sCount[line] = width;
	state.bsCount[line] = column;
}

function codeBlock(fence: Rule, state: StateBlock, line: number, end: number, silent: boolean): boolean {
	if (!startsWith(state, line, FENCE) || !fence(state, line, end, silent)) return false;
	if (silent) return true;
	const token = state.tokens.at(-1);
	if (!token) return false;
	const info = token.info.trim();
	const language = token.content.trim() !== "" && LANGUAGE.test(info);
	if (!language && info !== "") token.content = `${info}\n${token.content}`;
	token.info = language ? info : "";
	if (token.content.trim() !== "") return true;
	// An empty block would be invisible.
	state.tokens.pop();
	state.line = line;
	return false;
}

/** How many table cells that line has. */
function cells(state: StateBlock, line: number): number {
	const row = state.src.slice(start(state, line), state.eMarks[line]).trim();
	const pipes = [...row.matchAll(/\\.|\|/gsu)].filter(([found]) => found === "|");
	const last = pipes.at(-1);
	const outer = (row.startsWith("|") ? 1 : 0) + (last && last.index === row.length - 1 ? 1 : 0);
	return Math.max(0, pipes.length + 1 - outer);
}
