import { namesIn, normalised, type Sign } from "./mention-text";

/** How a mention is shown. */
export interface Chip {
	text: string;
	/** It means the reader. */
	mine: boolean;
	/** Where it leads: for rooms. */
	href?: string;
	title?: string;
}

const SKIPPED = "a, code, pre, .mention";

/**
 * Shows the names in a formatted text as chips, as far as `chipOf` knows them; may be called again when names have
 * changed.
 */
export function showChips(prose: HTMLElement, chipOf: (sign: Sign, name: string) => Chip | null): void {
	for (const chip of prose.querySelectorAll<HTMLElement>(".mention")) {
		const parent = chip.parentNode;
		chip.replaceWith(chip.dataset.written ?? chip.textContent ?? "");
		parent?.normalize();
	}
	const walker = document.createTreeWalker(prose, NodeFilter.SHOW_TEXT);
	const texts: Text[] = [];
	for (let node = walker.nextNode(); node; node = walker.nextNode())
		if (!node.parentElement?.closest(SKIPPED)) texts.push(node as Text);
	for (const text of texts) chipsIn(text, chipOf);
}

function chipsIn(text: Text, chipOf: (sign: Sign, name: string) => Chip | null): void {
	// From the end, so that the positions before stay right.
	for (const { sign, at, readings } of namesIn(text.data).reverse()) {
		for (const name of readings) {
			const chip = chipOf(sign, sign === "@" ? normalised(name) : name);
			if (!chip) continue;
			const rest = text.splitText(at);
			rest.splitText(name.length + 1);
			rest.replaceWith(element(chip, `${sign}${name}`));
			break;
		}
	}
}

function element({ text, mine, href, title }: Chip, written: string): HTMLElement {
	const made = document.createElement(href === undefined ? "span" : "a");
	made.className = mine ? "mention mine" : "mention";
	made.dataset.written = written;
	made.dataset.testid = "mention";
	made.dir = "auto";
	made.textContent = text;
	if (title !== undefined) made.title = title;
	if (href !== undefined) {
		made.setAttribute("href", href);
		made.tabIndex = -1;
	}
	return made;
}
