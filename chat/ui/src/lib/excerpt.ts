/** What a search result shows of a message: the part around the words that were looked for. */

export interface Piece {
	text: string;
	hit: boolean;
}

/** The words that a result must hold: those of the query without its operators and exclusions. */
export function wordsOf(query: string): string[] {
	const wanted = query.replace(/(^|\s)-("[^"]*"?|\S*)/g, " ");
	const words = wanted.match(/[\p{L}\p{N}]+/gu) ?? [];
	return [...new Set(words.map((word) => word.toLowerCase()))].filter((word) => word !== "or");
}

const BEFORE = 60;
const LENGTH = 220;

/** One line of `body` around the first of `words`, cut at words where it is long; whole words are hits. */
export function excerptAround(body: string, words: string[]): Piece[] {
	const text = body.replace(/\s+/g, " ").trim();
	const wanted = new Set(words);
	const found = [...text.matchAll(/[\p{L}\p{N}]+/gu)].filter(([word]) => wanted.has(word.toLowerCase()));
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

function startAt(text: string, first: number): number {
	if (first <= BEFORE) return 0;
	const space = text.indexOf(" ", first - BEFORE);
	return space === -1 || space >= first ? first : space + 1;
}
