/** The operators of a search text, for showing and completing them; what they mean is the server's business. */

/** What may stand after each operator's name: a kind of name, or one of these values. */
export const OPERATORS = {
	from: "person",
	in: "room",
	with: "person",
	before: "date",
	after: "date",
	on: "date",
	has: ["link", "code", "reaction"],
	is: ["edited"],
} as const;
export type OperatorName = keyof typeof OPERATORS;
export const NAMES = Object.keys(OPERATORS) as OperatorName[];

/** An operator as it stands in the text, from `start` to `end`. */
export interface Operator {
	name: OperatorName;
	typed: string;
	start: number;
	end: number;
}

/** The piece that is being typed: all that stands before the caret, back to a space. */
export interface Typing {
	start: number;
	minus: string;
	/** Null while no operator's name is complete. */
	name: OperatorName | null;
	/** What was typed of the value, or of the name. */
	value: string;
}

// As in chat/queries/search_operators.py.
const TOKEN = new RegExp(
	`-?"[^"]*(?:"|$)|(-?)(${NAMES.join("|")}):(?:"[^"]*(?:"|$)|[^\\s"]\\S*)|\\S+`,
	"giu",
);
const QUOTES = /[“”„«»]/g;
const LAST_PIECE = /(?:^|\s)((?:[^\s"]|"[^"]*(?:"|$))*)$/u;
const WITH_NAME = new RegExp(`^(-?)(${NAMES.join("|")}):(.*)$`, "iu");
const BARE = /^(-?)(\p{L}*)$/u;

export function operatorsIn(text: string): Operator[] {
	const found: Operator[] = [];
	for (const match of text.replace(QUOTES, '"').matchAll(TOKEN)) {
		const [all, minus, name] = match;
		if (name === undefined) continue;
		const known = name.toLowerCase() as OperatorName;
		if (minus && OPERATORS[known] === "date") continue;
		const end = match.index + all.length;
		found.push({ name: known, typed: text.slice(match.index, end), start: match.index, end });
	}
	return found;
}

/** `text` without one of its operators. */
export function without(text: string, operator: Operator): string {
	return `${text.slice(0, operator.start).trimEnd()} ${text.slice(operator.end).trimStart()}`.trim();
}

/** Null where nothing can be completed: between pieces, and in other words. */
export function typingAt(text: string, caret: number): Typing | null {
	const before = text.slice(0, caret).replace(QUOTES, '"');
	const piece = LAST_PIECE.exec(before)?.[1] ?? "";
	const start = caret - piece.length;
	const named = WITH_NAME.exec(piece);
	if (named) {
		const [, minus = "", name = "", value = ""] = named;
		return { start, minus, name: name.toLowerCase() as OperatorName, value: value.replaceAll('"', "") };
	}
	const [, minus = "", value = ""] = BARE.exec(piece) ?? [];
	return value === "" ? null : { start, minus, name: null, value };
}

/** `value` as an operator takes it. */
export function quoted(value: string): string {
	return /[\s"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value;
}
