import type { MarkdownIt, StateInline } from "markdown-it";
import { takeRule } from "./markdown-blocks";
import { misleads } from "./markdown-links";
import { matchAt } from "./match-at";

/** The longest run of each sign that is a mark: `__init__` and `****` are words. */
const MOST_SIGNS: Record<string, number> = { "*": 3, _: 1, "~": 2 };
const SIGNS = "*_~";
/** Longer runs of different signs are not looked through. */
const MOST_TOGETHER = 4;

/** Scripts that put no spaces between words, or endings directly after them. */
const UNSPACED =
	/[ー\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const WORD = /[\p{L}\p{N}\p{M}]/u;
/** Formatting may begin after these; so not within `2*3*4`, `.*` or a path. */
const BEFORE_OPENING = /^$|[\s\p{Ps}\p{Pi}\p{So}"'¿¡|>—–*_~,;:!?。，、：；！？…-]/u;
/** And its text may begin with these. */
const FIRST = /[\p{L}\p{N}\p{M}\p{So}\p{Sc}\p{Ps}\p{Pi}"'`#@¿¡№]/u;
const SIGNED_NUMBER = /[-+−]\d/y;
/** A mark before these and a word is part of a name: `_a_.py`. */
const JOINING = /[._/\\@=([][\p{L}\p{N}_]/uy;
const ASCII_PUNCTUATION = /[!-/:-@[-`{-~]/;
const BLANK_CODE = /(`+)\s+\1(?!`)/y;
const VISIBLE = /[^\s\p{C}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Whether anything of a text can be seen. */
export function isVisible(text: string): boolean {
	return VISIBLE.test(text);
}

/** What is formatted within a line of a chat; see docs/message-text.md. */
export function useInline(markdown: MarkdownIt): void {
	const { ruler } = markdown.inline;
	const backticks = takeRule(ruler, "backticks");
	ruler.at("backticks", (state, silent) => literalBacktick(state, silent) || backticks(state, silent));
	ruler.at("escape", backslash);
	ruler.at("emphasis", marks);
	ruler.at("link", link);
	ruler.at("linkify", address);
	ruler.enableOnly(["text", "linkify", "newline", "escape", "backticks", "emphasis", "link"]);
	markdown.renderer.rules.code_inline = (tokens, at) =>
		`<code dir="ltr">${markdown.utils.escapeHtml(tokens[at]?.content ?? "")}</code>`;
}

function literal(state: StateInline, text: string, silent: boolean): true {
	if (!silent) state.pending += text;
	state.pos += text.length;
	return true;
}

function before(text: string, at: number): string {
	const pair = text.slice(Math.max(0, at - 2), at);
	return /^[\ud800-\udbff][\udc00-\udfff]$/.test(pair) ? pair : pair.slice(-1);
}

function after(text: string, at: number): string {
	return at < text.length ? String.fromCodePoint(text.codePointAt(at) ?? 0) : "";
}

export function inWord(character: string): boolean {
	return WORD.test(character) && !UNSPACED.test(character);
}

/** A backslash stays visible, and the character after it is no mark. */
function backslash(state: StateInline, silent: boolean): boolean {
	const { src, pos, posMax } = state;
	if (src[pos] !== "\\") return false;
	const next = pos + 1 < posMax ? src.charAt(pos + 1) : "";
	return literal(state, ASCII_PUNCTUATION.test(next) ? `\\${next}` : "\\", silent);
}

/** An apostrophe in "don`t", and marks with nothing between them. */
function literalBacktick(state: StateInline, silent: boolean): boolean {
	const { src, pos } = state;
	if (src[pos] !== "`") return false;
	if (inWord(before(src, pos)) && inWord(after(src, pos + 1))) return literal(state, "`", silent);
	const blank = matchAt(BLANK_CODE, src, pos);
	return blank !== null && literal(state, blank[1] ?? "", silent);
}

function marks(state: StateInline, silent: boolean): boolean {
	const { src, pos, posMax } = state;
	const sign = src.charAt(pos);
	const most = MOST_SIGNS[sign];
	if (silent || most === undefined) return false;
	let end = pos + 1;
	while (end < posMax && src[end] === sign) end += 1;
	const length = end - pos;
	const open = mayOpen(src, pos, end);
	const close = mayClose(src, pos, end);
	if (length > most || (sign === "~" && length < most) || !(open || close))
		return literal(state, src.slice(pos, end), false);
	// The post-processing of markdown-it takes a token for each star, and one for two tildes.
	const each = sign === "~" ? 2 : 1;
	for (let at = 0; at < length; at += each) {
		state.push("text", "", 0).content = sign.repeat(each);
		state.delimiters.push({
			marker: sign.charCodeAt(0),
			length: sign === "~" ? 0 : length,
			token: state.tokens.length - 1,
			end: -1,
			open,
			close,
		});
	}
	state.pos = end;
	return true;
}

function mayOpen(text: string, from: number, end: number): boolean {
	const previous = before(text, from);
	if (!BEFORE_OPENING.test(previous) && !UNSPACED.test(previous)) return false;
	let at = end;
	while (at < end + MOST_TOGETHER && SIGNS.includes(text.charAt(at) || " ")) at += 1;
	return FIRST.test(after(text, at)) || matchAt(SIGNED_NUMBER, text, at) !== null;
}

function mayClose(text: string, from: number, end: number): boolean {
	const previous = before(text, from);
	if (previous === "" || /\s/.test(previous)) return false;
	return !inWord(after(text, end)) && matchAt(JOINING, text, end) === null;
}

/** `[text](address)`, if both are visible and the text does not name another place. */
function link(state: StateInline, silent: boolean): boolean {
	const { md, src, pos, posMax } = state;
	if (src[pos] !== "[" || src[pos - 1] === "!") return false;
	const labelEnd = md.helpers.parseLinkLabel(state, pos, true);
	if (labelEnd < 0 || src[labelEnd + 1] !== "(") return false;
	const from = labelEnd + 2;
	const destination = md.helpers.parseLinkDestination(src, from, posMax);
	if (!destination.ok || destination.pos >= posMax || src[destination.pos] !== ")") return false;
	// As written: in an address, backslashes and ampersands are literal.
	const written = src.slice(from, destination.pos);
	const href = md.normalizeLink(written.startsWith("<") ? written.slice(1, -1) : written);
	const label = src.slice(pos + 1, labelEnd);
	if (!md.validateLink(href) || !isVisible(label) || misleads(label, href)) return false;
	if (!silent) {
		state.pos = pos + 1;
		state.posMax = labelEnd;
		state.push("link_open", "a", 1).attrs = [["href", href]];
		state.linkLevel += 1;
		md.inline.tokenize(state);
		state.linkLevel -= 1;
		state.push("link_close", "a", -1);
	}
	state.pos = destination.pos + 1;
	state.posMax = posMax;
	return true;
}

/** An address with its scheme; the rule is tried at the colon. */
function address(state: StateInline, silent: boolean): boolean {
	const { md, src, pos, posMax } = state;
	if (state.linkLevel > 0 || pos + 3 > posMax || !src.startsWith("://", pos)) return false;
	const scheme = /https?$/i.exec(state.pending.slice(-5))?.[0].length ?? 0;
	if (scheme === 0) return false;
	const found = md.linkify.matchAtStart(src.slice(pos - scheme, posMax));
	if (!found) return false;
	let end = found.raw.length;
	// Characters at its end belong to the address, unless they close something opened before it.
	const sign = src.charAt(pos - scheme - 1);
	if (sign !== "" && SIGNS.includes(sign)) while (found.raw[end - 1] === sign) end -= 1;
	const url = found.raw.slice(0, end);
	const href = md.normalizeLink(url);
	if (end <= scheme || !md.validateLink(href)) return false;
	if (!silent) {
		state.pending = state.pending.slice(0, -scheme);
		const open = state.push("link_open", "a", 1);
		open.attrs = [["href", href]];
		open.markup = "linkify";
		open.info = "auto";
		state.push("text", "", 0).content = md.normalizeLinkText(url);
		state.push("link_close", "a", -1);
	}
	state.pos += url.length - scheme;
	return true;
}
