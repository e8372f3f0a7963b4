import { MOST_NODES, renderMarkdown } from "./markdown";

/** Nodes that any message may have, regardless of the others: people seldom write more. */
export const FREE_NODES = 200;
/** Additional nodes that the messages of one list may have together. */
export const SHARED_NODES = 12_000;

/** Where the list keeps its budget for its rows, as a context. */
export const FORMATTING = Symbol("formatting");

export interface Formatting {
	/** Safe HTML; null when the text is shown as it is. */
	html: string | null;
	/** Only the other messages prevent it: it can still be formatted if the reader asks for it. */
	onDemand: boolean;
}

/**
 * Shares out how much the messages in one list may add to the page.
 *
 * A large message is formatted while there is room for it. One that does not fit costs almost nothing, so that a page
 * full of such messages opens, and the plain ones among them look as usual.
 */
export class FormattingBudget {
	private readonly drawn = new Map<symbol, number>();
	private left = SHARED_NODES;

	/** How `row` shows `source`; `asked`: the reader wants to see this one formatted. */
	format(row: symbol, source: string, asked: boolean): Formatting {
		this.release(row);
		const most = asked ? MOST_NODES : Math.min(MOST_NODES, FREE_NODES + Math.max(0, this.left));
		const { html, nodes } = renderMarkdown(source, most);
		const drawn = Math.max(0, nodes - FREE_NODES);
		this.drawn.set(row, drawn);
		this.left -= drawn;
		return { html, onDemand: html === null && most < MOST_NODES };
	}

	/** `row` is no longer on the page. */
	release(row: symbol): void {
		this.left += this.drawn.get(row) ?? 0;
		this.drawn.delete(row);
	}
}
