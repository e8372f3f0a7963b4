import type { Token } from "markdown-it";

/** Characters that have a direction, and marks that set one. */
const DIRECTED = /[\p{L}\u061c\u200e\u200f]/u;
/** Unicode's ranges of right-to-left scripts: DerivedBidiClass.txt. */
const RIGHT_TO_LEFT =
	/[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** How many characters a browser may search for the first letter. */
const MOST_BEFORE_LETTER = 100;

/**
 * Each block takes the direction of its first letters, and so does the text of a link; lines inside a block take their
 * own: see app.css.
 *
 * This is `dir=auto`, except if letters come late or never, as in a column of numbers: then a browser searches
 * everything again for each element that it adds, which takes quadratic time.
 */
export function setDirections(tokens: Token[]): void {
	let block: Direction | null = null;
	for (const token of tokens) {
		if (token.level === 0 && token.nesting === 1) block = new Direction(token);
		let link: Direction | null = null;
		for (const child of token.children ?? []) {
			if (child.type === "link_open") {
				link = new Direction(child);
				if (child.markup === "linkify") link.set("ltr");
			} else if (child.type === "link_close") link = null;
			else if (child.type === "text") (link ?? block)?.read(child.content);
		}
	}
}

class Direction {
	private before = 0;
	private found = false;

	constructor(private readonly element: Token) {
		element.attrSet("dir", "auto");
	}

	set(direction: "ltr" | "rtl"): void {
		this.element.attrSet("dir", direction);
		this.found = true;
	}

	/** Takes the next text of the element. */
	read(text: string): void {
		if (this.found) return;
		const at = text.search(DIRECTED);
		this.before += at < 0 ? text.length : at;
		const isLate = this.before > MOST_BEFORE_LETTER;
		if (at >= 0) {
			const letter = String.fromCodePoint(text.codePointAt(at) ?? 0);
			if (isLate) this.set(RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr");
			this.found = true;
		} else if (isLate) this.element.attrSet("dir", "ltr");
	}
}
