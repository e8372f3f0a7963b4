/** The part of a message that a search result shows: the text around the words that were searched for. */

export interface Piece {
	text: string;
	hit: boolean;
}

const BEFORE = 60;
const LENGTH = 220;
const WITHOUT_SPACES =
	/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** Whether it can be searched for: two characters, or one that means something by itself. */
export function isEnough(text: string): boolean {
	return [...text].length > 1 || WITHOUT_SPACES.test(text) || /[^\p{ASCII}\p{L}\p{N}\p{P}\p{M}]/u.test(text);
}

/** One line of `body` around the first of `marks`, cut at words if it is long; `marks` are hits. */
export function excerptAround(body: string, marks: string[]): Piece[] {
	const text = oneLine(body);
	const found = marks.length === 0 ? [] : [...text.matchAll(patternOf(marks))];
	const from = startAt(text, found[0]?.index ?? 0);
	const to = Math.min(text.length, from + LENGTH);
	const end = to === text.length ? to : Math.max(text.lastIndexOf(" ", to), from + LENGTH / 2);

	const pieces: Piece[] = [];
	let at = from;
	for (const match of found) {
		if (match.index < at || match.index + match[0].length > end) continue;
		if (match.index > at) pieces.push({ text: text.slice(at, match.index), hit: false });
		pieces.push({ text: match[0], hit: true });
		at = match.index + match[0].length;
	}
	if (at < end) pieces.push({ text: text.slice(at, end), hit: false });
	if (from > 0) pieces.unshift({ text: "… ", hit: false });
	if (end < text.length) pieces.push({ text: " …", hit: false });
	return pieces;
}

/** A word is a hit only as a whole word; anything else, and scripts without spaces, is a hit anywhere. */
function patternOf(marks: string[]): RegExp {
	const parts = marks.map((mark) => {
		const escaped = oneLine(mark).replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
		const isWord = /^\p{L}+$/u.test(mark) && !WITHOUT_SPACES.test(mark);
		return isWord ? `(?<!\\p{L})${escaped}(?!\\p{L})` : escaped;
	});
	return new RegExp(parts.join("|"), "gu");
}

function oneLine(text: string): string {
	return text.replace(/\s+/g, " ").trim();
}

function startAt(text: string, first: number): number {
	if (first <= BEFORE) return 0;
	const space = text.indexOf(" ", first - BEFORE);
	return space === -1 || space >= first ? first : space + 1;
}
