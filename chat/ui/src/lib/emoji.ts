import { Later } from "./later";

/** A sensible set, shown until the person has a choice of their own. */
export const COMMON: string[] =
	"👍 ❤️ 😂 🎉 🙏 👀 ✅ 🔥 😊 😢 👏 🤔 🚀 💯 😍 😮 🙌 👎 👌 💪 😅 🤷 ☕ 👋".split(" ");

const TONES = ["🏻", "🏼", "🏽", "🏾", "🏿"];

export interface Emoji {
	/** Without a skin tone, in the form in which the server stores reactions. */
	readonly char: string;
	/** Emojibase's number of its category. */
	readonly group: number;
	readonly tones: boolean;
	/** Short names, as between colons; the first is the usual one. Always in English. */
	readonly names: readonly string[];
	/** Its name and words for it, in lower case; in English, and in Russian for whoever reads Russian. */
	readonly words: readonly string[];
}

const english = new Later(() => import("emojibase-data/en/data.json?rows"));
const russian = new Later(() => import("emojibase-data/ru/data.json?rows"));
const made = new Map<string, Emoji[]>();

/** Every emoji in Unicode's order. Rejects if the data cannot be loaded now. */
export async function allEmoji(language: string): Promise<Emoji[]> {
	const known = made.get(language);
	if (known) return known;
	const [{ default: rows }, translated] = await Promise.all([
		english.get(),
		language === "ru" ? russian.get() : null,
	]);
	const own = new Map(translated?.default);
	const all = rows.map(([char, group, tones, short, words]) => ({
		char,
		group,
		tones: tones === 1,
		names: short.split("|"),
		words: [...(own.get(char)?.replaceAll("ё", "е").split("|") ?? []), ...words.split("|")],
	}));
	made.set(language, all);
	return all;
}

/** `emoji` in the skin tone `tone`: 1 to 5 from light to dark, 0 for none. */
export function toned({ char, tones }: Emoji, tone: number): string {
	const sign = tones ? (TONES[tone - 1] ?? "") : "";
	if (sign === "") return char;
	const [first = "", ...rest] = char;
	return `${first}${sign}${rest.join("").replace(/^\ufe0f/, "")}`;
}

/** What two emoji that differ only in their skin tone have in common. */
function untoned(char: string): string {
	return char.replace(/[\u{1f3fb}-\u{1f3ff}\ufe0f]/gu, "");
}

/** How well an emoji fits: less is better; null if it does not. */
function rank({ names, words }: Emoji, term: string): number | null {
	if (names.includes(term)) return 0;
	if (words.includes(term)) return 1;
	if (names.some((name) => name.startsWith(term))) return 2;
	if (words.some((word) => word.startsWith(term))) return 3;
	if (words.some((word) => word.includes(` ${term}`)) || names.some((name) => name.includes(`_${term}`)))
		return 4;
	return null;
}

function commonness({ char }: Emoji): number {
	const at = COMMON.indexOf(char);
	return at < 0 ? COMMON.length : at;
}

/** The emoji that `query` names, at most `most`: first those in `recent`, in that order, then what fits best or is common. */
export function foundEmoji(
	all: readonly Emoji[],
	query: string,
	recent: readonly string[],
	most: number,
): Emoji[] {
	const terms = query.toLowerCase().replaceAll("ё", "е").split(/\s+/).filter(Boolean);
	if (terms.length === 0) return [];
	const used = recent.map(untoned);
	const found: { emoji: Emoji; at: number; rank: number }[] = [];
	for (const emoji of all) {
		const ranks = terms.map((term) => rank(emoji, term));
		if (ranks.includes(null)) continue;
		const at = used.indexOf(untoned(emoji.char));
		const sum = ranks.reduce((total: number, one) => total + (one ?? 0), 0);
		found.push({ emoji, at: at < 0 ? used.length : at, rank: sum });
	}
	return found
		.sort((a, b) => a.at - b.at || a.rank - b.rank || commonness(a.emoji) - commonness(b.emoji))
		.slice(0, most)
		.map(({ emoji }) => emoji);
}

/** The short name that is being written before the caret: `:smi`, from its colon on. */
export interface NameAtCaret {
	readonly from: number;
	readonly name: string;
	/** It ends with a colon: `:smile:`. */
	readonly ended: boolean;
}

const AT_CARET = /(?:^|[\s([{"'«*_~])(:([\p{L}\p{N}_+-]{2,40})(:?))$/u;

export function nameAtCaret(text: string, caret: number): NameAtCaret | null {
	const line = text.slice(text.lastIndexOf("\n", caret - 1) + 1, caret);
	const found = AT_CARET.exec(line.slice(-60));
	// A name in code is code.
	if (!found?.[1] || !found[2] || (line.match(/`/g)?.length ?? 0) % 2 === 1) return null;
	return { from: caret - found[1].length, name: found[2], ended: found[3] === ":" };
}
