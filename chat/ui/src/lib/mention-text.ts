/** Names in a text: as the server reads them (`chat/names/mentions.py`). */

const LETTER = "[\\p{L}\\p{N}\\u0300-\\u036f]";
const NAME = new RegExp(`[@#](${LETTER}(?:[._-]*${LETTER})*)`, "gu");
const JOINED = /[\p{L}\p{N}\p{M}@#/+=&%~\\]$/u;
const LAST_PART = /[._-]+[^._-]*$/;
const MOST_READINGS = 3;

export type Sign = "@" | "#";

export interface NameInText {
	sign: Sign;
	at: number;
	/** From the longest reading to the shortest: `anna.i`, `anna`. */
	readings: string[];
}

/** The names in a text that is no code. */
export function namesIn(text: string): NameInText[] {
	const found: NameInText[] = [];
	for (const match of text.matchAll(NAME)) {
		if (JOINED.test(text.slice(Math.max(0, match.index - 2), match.index))) continue;
		if ("@/".includes(text.charAt(match.index + match[0].length) || " ")) continue;
		const readings: string[] = [];
		let name = match[1] ?? "";
		for (let part = 0; part < MOST_READINGS && name !== ""; part++) {
			readings.push(name);
			if (!LAST_PART.test(name)) break;
			name = name.replace(LAST_PART, "");
		}
		found.push({ sign: text[match.index] as Sign, at: match.index, readings });
	}
	return found;
}

/** The form in which names are compared. */
export function normalised(name: string): string {
	return name.normalize("NFKC").toLowerCase();
}

const FENCE = /^[ \t>]*(?:[-*]|\d{1,3}[.)])?[ \t]*```[\s\S]*?(?:^[ \t>]*```|(?![\s\S]))/gm;
const SPAN = /(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g;

/** Whether a text that is being written mentions everybody: near enough for a hint. */
export function mentionsAll(text: string): boolean {
	if (!/@(?:room|here)/i.test(text)) return false;
	const bare = text.replace(FENCE, "").replace(SPAN, "");
	return namesIn(bare).some(
		({ sign, readings }) =>
			sign === "@" && readings.some((name) => ["room", "here"].includes(normalised(name))),
	);
}

export interface Word {
	sign: Sign;
	/** What is written after the sign. */
	query: string;
	from: number;
	to: number;
}

const BEING_WRITTEN = /(?:^|[\s([{«„“"'—–>*_~-])([@#])([\p{L}\p{N}\p{M}._-]{0,40})$/u;

/** The name that is being written before the cursor; null if there is none. */
export function wordBefore(text: string, cursor: number): Word | null {
	const found = BEING_WRITTEN.exec(text.slice(Math.max(0, cursor - 60), cursor));
	if (!found) return null;
	const query = found[2] ?? "";
	return { sign: found[1] as Sign, query, from: cursor - query.length - 1, to: cursor };
}
