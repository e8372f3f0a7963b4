import { inWord } from "./markdown-inline";

/** The content of a text field, and what is selected in it. */
export interface Selected {
	readonly text: string;
	readonly start: number;
	readonly end: number;
}

interface Range {
	readonly from: number;
	readonly to: number;
}

/** Marks around a part of a text: `count` times `sign` on either side, from `from` to `to`. */
interface Layer extends Range {
	readonly sign: string;
	readonly count: number;
}

const SIGNS = "*_~`";
const MOST_SIGNS: Record<string, number> = { "*": 3, _: 1, "~": 2, "`": 100 };
/** What may stand before the text of a line, and what of it makes a list. */
const BEFORE_TEXT = /^[ \t]*(?:>[ \t]?|[-*][ \t]+(?:\[[ xX]\][ \t]+)?|\d{1,3}[.)][ \t]+|#{1,6}[ \t]+)*/;
const ITEM = /^([ \t]*)(?:[-*]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?/;
const BULLET = /^[ \t]*[-*][ \t]+(?!\[[ xX]\][ \t])/;
const TASK = /^[ \t]*[-*][ \t]+\[[ xX]\][ \t]/;
const NUMBER = /^[ \t]*\d{1,3}[.)][ \t]+/;
const QUOTED = /^([ \t]*)> ?/;
const FENCE = /^`{3,}/;
const ADDRESS = /^(?:https?:\/\/|mailto:)\S+$/i;
const LINK = /^\[([^[\]\n]*)\]\([^()\s]*\)$/;
const PLACEHOLDER = "https://";

const FORMATS = {
	bold: (field: Selected) => inline(field, "**", (layer) => layer.sign === "*" && layer.count > 1),
	italic: (field: Selected) =>
		inline(field, "*", (layer) => (layer.sign === "*" && layer.count !== 2) || layer.sign === "_"),
	strike: (field: Selected) => inline(field, "~~", (layer) => layer.sign === "~" && layer.count === 2),
	code: (field: Selected) =>
		field.text.slice(field.start, field.end).trim().includes("\n")
			? codeBlock(field)
			: inline(field, "`", (layer) => layer.sign === "`"),
	codeBlock,
	quote,
	bullets: (field: Selected) => items(field, BULLET, () => "- "),
	numbers: (field: Selected) => items(field, NUMBER, (at) => `${at + 1}. `),
	tasks: (field: Selected) => items(field, TASK, () => "- [ ] "),
	link,
};

export type Format = keyof typeof FORMATS;

/** The field after `format` was put on what is selected, or taken off it if all of it has it. */
export function formatted(field: Selected, format: Format): Selected {
	return FORMATS[format](field);
}

/** The difference between two texts: what is put in place of a range of the first. */
export function difference(before: string, after: string): Range & { readonly insert: string } {
	const most = Math.min(before.length, after.length);
	let from = 0;
	while (from < most && before[from] === after[from]) from += 1;
	let same = 0;
	while (same < most - from && before.at(-1 - same) === after.at(-1 - same)) same += 1;
	return { from, to: before.length - same, insert: after.slice(from, after.length - same) };
}

// --- Within lines ---

function inline(field: Selected, mark: string, isMark: (layer: Layer) => boolean): Selected {
	const sign = mark.charAt(0);
	const parts = field.start === field.end ? [wordAt(field)] : textsOf(field);
	const only = parts[0];
	if (!only) return field;
	if (only.from === only.to) return withEmptyMarks(field, mark);
	const inner = parts.map((part) => withoutMarks(field.text, wholeWords(field.text, part)));
	const layers = inner.map((part) => layersAround(field.text, part));
	const remove = layers.every((around) => around.some(isMark));
	let { text } = field;
	let start = 0;
	let end = 0;
	// From the end, so that what comes before keeps its place.
	for (let at = inner.length - 1; at >= 0; at--) {
		const part = inner[at] as Range;
		const around = layers[at] as Layer[];
		const has = around.find(isMark);
		let [added, length] = [0, mark.length];
		if (has && remove) {
			if (sign === "`") length = has.count;
			text = spliced(text, has.to - length, length, "");
			text = spliced(text, has.from, length, "");
			added = -length;
		} else if (!has) {
			// Code shows marks as they are, so they belong around it.
			const outside = sign === "`" ? part : (around.findLast((layer) => layer.sign === "`") ?? part);
			const used = sign === "`" ? backticks(text.slice(part.from, part.to)) : mark;
			text = spliced(text, outside.to, 0, used);
			text = spliced(text, outside.from, 0, used);
			added = used.length;
		}
		if (at === inner.length - 1) end = part.to;
		start = part.from + added;
		end += at === inner.length - 1 ? added : 2 * added;
	}
	return { text, start, end };
}

/** Marks with the caret between them; those that are there already go. */
function withEmptyMarks({ text, start }: Selected, mark: string): Selected {
	const sign = mark.charAt(0);
	const outside = start - mark.length;
	const there = text.startsWith(mark + mark, outside) && outside >= 0;
	const more = text[outside - 1] === sign || text[start + mark.length] === sign;
	if (there && !more)
		return { text: spliced(text, outside, 2 * mark.length, ""), start: outside, end: outside };
	return { text: spliced(text, start, 0, mark + mark), start: start + mark.length, end: start + mark.length };
}

/** The texts of the selected lines: without marks of lists and quotes, and spaces around. */
function textsOf({ text, start, end }: Selected): Range[] {
	const found: Range[] = [];
	for (const line of linesOf(text, { from: start, to: end })) {
		const words = line.from + (BEFORE_TEXT.exec(text.slice(line.from, line.to))?.[0].length ?? 0);
		const from = Math.max(words, start);
		const to = Math.min(line.to, end);
		const part = text.slice(from, to);
		if (part.trim() === "") continue;
		found.push({ from: from + part.length - part.trimStart().length, to: from + part.trimEnd().length });
	}
	return found;
}

function wordAt({ text, start }: Selected): Range {
	return wholeWords(text, { from: start, to: start });
}

/** Formatting works on whole words only. */
function wholeWords(text: string, { from, to }: Range): Range {
	const inside = (at: number) => at > 0 && inWord(text.charAt(at - 1)) && inWord(text.charAt(at));
	while (inside(from)) from -= 1;
	while (inside(to)) to += 1;
	return { from, to };
}

/** The range without marks at its ends, if there are others to match them on either side. */
function withoutMarks(text: string, range: Range): Range {
	let { from, to } = range;
	while (to - from > 1 && SIGNS.includes(text.charAt(from))) from += 1;
	while (to - from > 1 && SIGNS.includes(text.charAt(to - 1))) to -= 1;
	return layersAround(text, { from, to }).length > 0 ? { from, to } : range;
}

/** The marks around a range, from inside to outside. */
function layersAround(text: string, { from, to }: Range): Layer[] {
	const layers: Layer[] = [];
	for (;;) {
		const sign = text.charAt(from - 1);
		if (sign === "" || !SIGNS.includes(sign) || text[to] !== sign) return layers;
		let count = 0;
		while (count < (MOST_SIGNS[sign] ?? 0) && text[from - 1 - count] === sign && text[to + count] === sign)
			count += 1;
		from -= count;
		to += count;
		layers.push({ sign, count, from, to });
	}
}

/** As many backticks as `code` needs around it. */
function backticks(code: string): string {
	const runs = [...code.matchAll(/`+/g)].map(([run]) => run.length);
	let count = 1;
	while (runs.includes(count)) count += 1;
	return "`".repeat(count);
}

function link(field: Selected): Selected {
	const { text } = field;
	const part = field.start === field.end ? wordAt(field) : (textsOf(field)[0] ?? wordAt(field));
	const words = text.slice(part.from, part.to);
	const whole = LINK.exec(words);
	if (whole) return replaced(text, part, whole[1] ?? "");
	const rest = /^\]\([^()\s]*\)/.exec(text.slice(part.to))?.[0];
	if (text[part.from - 1] === "[" && rest)
		return replaced(text, { from: part.from - 1, to: part.to + rest.length }, words);
	if (words === "" || ADDRESS.test(words)) {
		const at = part.from + 1;
		return {
			text: spliced(text, part.from, words.length, `[](${words || PLACEHOLDER})`),
			start: at,
			end: at,
		};
	}
	const start = part.to + 3;
	return {
		text: spliced(text, part.from, words.length, `[${words}](${PLACEHOLDER})`),
		start,
		end: start + PLACEHOLDER.length,
	};
}

/** The field after an address was pasted over words, which become its link; null if it is to be pasted as it is. */
export function linked({ text, start, end }: Selected, pasted: string): Selected | null {
	const words = text.slice(start, end);
	if (!ADDRESS.test(pasted) || /[()]/.test(pasted) || words.trim() === "" || /[\n[\]]/.test(words))
		return null;
	if (ADDRESS.test(words)) return null;
	const made = `[${words}](${pasted})`;
	const after = start + made.length;
	return { text: spliced(text, start, words.length, made), start: after, end: after };
}

// --- Whole lines ---

function codeBlock(field: Selected): Selected {
	const { text } = field;
	const lines = linesOf(text, { from: field.start, to: field.end });
	const [first, last] = ends(lines);
	const body = text.slice(first.from, last.to);
	const inside = /^(`{3,})[^\n]*\n(.*)\n\1$/s.exec(body);
	if (inside) return replaced(text, { from: first.from, to: last.to }, inside[2] ?? "");
	const above = linesOf(text, { from: first.from - 1, to: first.from - 1 })[0];
	const below = linesOf(text, { from: last.to + 1, to: last.to + 1 })[0];
	if (above && below && first.from > 0 && last.to < text.length)
		if (FENCE.test(text.slice(above.from, above.to)) && FENCE.test(text.slice(below.from, below.to)))
			return replaced(text, { from: above.from, to: below.to }, body);
	const longest = Math.max(2, ...[...body.matchAll(/^`{3,}/gm)].map(([run]) => run.length));
	const fence = "`".repeat(longest + 1);
	const start = first.from + fence.length + 1;
	return {
		text: spliced(text, first.from, body.length, `${fence}\n${body}\n${fence}`),
		start,
		end: start + body.length,
	};
}

function quote(field: Selected): Selected {
	const quoted = (line: string) => QUOTED.test(line);
	return byLines(field, quoted, {
		on: (line) => (line.trim() === "" ? ">" : `> ${line}`),
		off: (line) => line.replace(QUOTED, "$1"),
		blank: true,
	});
}

function items(field: Selected, has: RegExp, mark: (at: number) => string): Selected {
	let at = 0;
	return byLines(field, (line) => has.test(line), {
		on: (line) => {
			const indent = /^[ \t]*/.exec(line)?.[0] ?? "";
			return `${indent}${mark(at++)}${line.slice(ITEM.exec(line)?.[0].length ?? indent.length)}`;
		},
		off: (line) => line.replace(ITEM, "$1"),
		blank: false,
	});
}

interface LineChange {
	readonly on: (line: string) => string;
	readonly off: (line: string) => string;
	/** Blank lines between the others change as well. */
	readonly blank: boolean;
}

function byLines(field: Selected, has: (line: string) => boolean, { on, off, blank }: LineChange): Selected {
	const { text } = field;
	const [first, last] = ends(linesOf(text, { from: field.start, to: field.end }));
	const before = text.slice(first.from, last.to).split("\n");
	const single = before.length === 1;
	const meant = (line: string) => single || line.trim() !== "";
	const remove = before.filter(meant).every(has);
	const change = remove ? off : on;
	const after = before.map((line) => (meant(line) || (blank && before.some(meant)) ? change(line) : line));
	const made = after.join("\n");
	const changed = spliced(text, first.from, last.to - first.from, made);
	if (field.start < field.end) return { text: changed, start: first.from, end: first.from + made.length };
	// The caret stays where it was in its line; an empty quote is written with the space that follows.
	if (single && made === ">")
		return caret(`${changed.slice(0, first.from)}> ${changed.slice(first.from + 1)}`, first.from + 2);
	return caret(changed, Math.max(first.from, field.start + made.length - (last.to - first.from)));
}

/** The field after a new line in a list or a quote, which goes on, or ends if its line is empty; else null. */
export function continued({ text, start, end }: Selected): Selected | null {
	const line = linesOf(text, { from: start, to: start })[0];
	if (!line || start !== end || inCode(text, line.from)) return null;
	const before = text.slice(line.from, start);
	const mark = ITEM.exec(before)?.[0] ?? QUOTED.exec(before)?.[0];
	if (mark === undefined) return null;
	if (before.trim() === mark.trim() && start === line.to)
		return caret(spliced(text, line.from, start - line.from, ""), line.from);
	const next = mark.replace(/\d+/, (number) => String(Number(number) + 1)).replace(/\[[xX]\]/, "[ ]");
	return caret(spliced(text, start, 0, `\n${next}`), start + 1 + next.length);
}

function inCode(text: string, at: number): boolean {
	return (
		text
			.slice(0, at)
			.split("\n")
			.filter((line) => FENCE.test(line)).length %
			2 ===
		1
	);
}

/** Each line that a range touches; the end of a selection at the beginning of a line does not touch it. */
function linesOf(text: string, { from, to }: Range): Range[] {
	const lines: Range[] = [];
	let begin = text.lastIndexOf("\n", from - 1) + 1;
	if (from <= 0) begin = 0;
	do {
		const newline = text.indexOf("\n", begin);
		const end = newline < 0 ? text.length : newline;
		lines.push({ from: begin, to: end });
		begin = end + 1;
	} while (begin < to);
	return lines;
}

function ends(lines: Range[]): [Range, Range] {
	return [lines[0] as Range, lines.at(-1) as Range];
}

function spliced(text: string, at: number, length: number, insert: string): string {
	return text.slice(0, at) + insert + text.slice(at + length);
}

function replaced(text: string, { from, to }: Range, insert: string): Selected {
	return { text: spliced(text, from, to - from, insert), start: from, end: from + insert.length };
}

function caret(text: string, at: number): Selected {
	return { text, start: at, end: at };
}
