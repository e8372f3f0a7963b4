/** Finds names that people half remember: words in any order, their beginnings, or just their letters in order. */

const marks = /\p{M}/gu;

/** Letters without case, accents and form: `Ёлка` and `елка` are the same. */
function plain(text: string): string {
	return text.normalize("NFKD").replace(marks, "").toLocaleLowerCase();
}

/** Whether the letters of `word` stand in `text` in this order. */
function lettersInOrder(word: string, text: string): boolean {
	let at = 0;
	for (const letter of word) {
		at = text.indexOf(letter, at) + letter.length;
		if (at < letter.length) return false;
	}
	return true;
}

/** How well one word fits: 0 whole, 1 a beginning, 2 inside a word, 3 letters in order; null: not at all. */
function fitness(word: string, texts: string[]): number | null {
	let best: number | null = null;
	for (const text of texts) {
		const words = text.split(/[^\p{L}\p{N}]+/u);
		const found = words.includes(word)
			? 0
			: words.some((one) => one.startsWith(word)) || text.startsWith(word)
				? 1
				: text.includes(word)
					? 2
					: lettersInOrder(word, text)
						? 3
						: null;
		if (found !== null && (best === null || found < best)) best = found;
	}
	return best;
}

function wordsOf(query: string): string[] {
	return plain(query)
		.split(/\s+/)
		.map((word) => word.replace(/^[@#]/, ""))
		.filter((word) => word !== "");
}

/** Whether each word of `query` stands in one of the texts, as the server finds people. */
export function holds(query: string, texts: string[]): boolean {
	const all = texts.map(plain);
	return wordsOf(query).every((word) => all.some((text) => text.includes(word)));
}

/**
 * The items whose texts hold every word of `query`, best first and otherwise in the order given.
 *
 * `sure` says that an item belongs to the result whatever its texts are: the server has found it by something else.
 */
export function ranked<T>(
	query: string,
	items: T[],
	textsOf: (item: T) => string[],
	sure: (item: T) => boolean = () => false,
): T[] {
	const words = wordsOf(query);
	if (words.length === 0) return items;
	const found = items.flatMap((item) => {
		const texts = textsOf(item).map(plain);
		let score = 0;
		for (const word of words) {
			const one = fitness(word, texts);
			if (one === null && !sure(item)) return [];
			score += one ?? 4;
		}
		return [{ item, score }];
	});
	return found.sort((a, b) => a.score - b.score).map(({ item }) => item);
}
