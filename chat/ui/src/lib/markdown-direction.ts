import type { Token } from "markdown-it";

/** What has a direction, and signs that stand for one. */
const DIRECTED = /[\p{L}\u061c\u200e\u200f]/u;
/** The parts of Unicode for writing from right to left: DerivedBidiClass.txt. */
const RIGHT_TO_LEFT =
	/[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** Characters before the first letter through which a browser may look for it. */
const MOST_BEFORE_LETTER = 100;

/**
 * Each block turns as its first letters do, and so does the text of a link; what stands in a block goes by its
 * own: see app.css.
 *
 * That is `dir=auto`, except where letters come late or never, as in a column of numbers: there a browser looks
 * through all of it again for each element that it adds, in the square of their number.
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

	/** Takes what comes next in the element. */
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
