import type { MarkdownIt, Ruler } from "markdown-it";

/** A parse exceeded its budget. */
export class TooComplex extends Error {}

/** Something that looks like an address is scanned to the end of a host name, 640 characters, and back. */
const FRUITLESS_SCAN = 700;

/** Parsing an address twice and rebuilding it, here and in the sanitiser. */
const LINK = 250;

/** What a parse may take: rules tried and characters scanned, tokens made, blocks within blocks. */
export interface Budget {
	steps: number;
	tokens: number;
	nesting: number;
}

/**
 * Ends a parse of `markdown` that exceeds its budget: `render` throws TooComplex.
 *
 * The parser is linear in most of its rules and at worst quadratic, and what it makes can be far longer than
 * the text: a row of a table needs two characters and makes as many cells as the table has columns. So the
 * work is counted where it is done, and not guessed from the text.
 */
export class Meter {
	private left: Budget = { steps: 0, tokens: 0, nesting: 0 };

	constructor(markdown: MarkdownIt) {
		this.countRules(markdown.block.ruler);
		this.countRules(markdown.inline.ruler);
		this.countTokens(markdown);
		this.countScans(markdown);
	}

	/** Sets the budget of the next parse. */
	allow(budget: Budget): void {
		this.left = { ...budget };
	}

	private step(count = 1): void {
		this.left.steps -= count;
		if (this.left.steps < 0) throw new TooComplex("steps");
	}

	private token(level: number): void {
		this.left.tokens -= 1;
		if (this.left.tokens < 0) throw new TooComplex("tokens");
		// The parser drops what is nested deeper than its limit: here it never gets that far.
		if (level > this.left.nesting) throw new TooComplex("nesting");
	}

	/** Each try of a rule is a step: the parser tries all rules in turn at each position. */
	private countRules<Args extends unknown[], Result>(ruler: Ruler<Args, Result>): void {
		const compiled = ruler.getRules.bind(ruler);
		const counted = new Map<string, ((...args: Args) => Result)[]>();
		ruler.getRules = (chain) => {
			let rules = counted.get(chain);
			if (!rules) {
				rules = compiled(chain).map((rule) => (...args: Args) => {
					this.step();
					return rule(...args);
				});
				counted.set(chain, rules);
			}
			return rules;
		};
	}

	private countTokens({ block, inline }: MarkdownIt): void {
		const meter = this;
		block.State = class extends block.State {
			override push(...args: Parameters<InstanceType<typeof block.State>["push"]>) {
				meter.token(this.level);
				return super.push(...args);
			}
		};
		inline.State = class extends inline.State {
			override push(...args: Parameters<InstanceType<typeof inline.State>["push"]>) {
				meter.token(0);
				return super.push(...args);
			}
		};
	}

	/** The rules for links look ahead, from each position and as far as the end of the text. */
	private countScans(markdown: MarkdownIt): void {
		const { helpers, inline, linkify } = markdown;
		const { parseLinkDestination, parseLinkTitle } = helpers;
		const skipToken = inline.skipToken.bind(inline);
		const testSchemaAt = linkify.testSchemaAt.bind(linkify);
		inline.skipToken = (state) => {
			this.step();
			skipToken(state);
		};
		helpers.parseLinkDestination = (text, start, max) => {
			const found = parseLinkDestination(text, start, max);
			this.step((found.ok ? found.pos : max) - start);
			return found;
		};
		helpers.parseLinkTitle = (text, start, max, before) => {
			const found = parseLinkTitle(text, start, max, before);
			if (found.ok) this.step(found.pos - start);
			else if (found.can_continue) this.step(max - start);
			return found;
		};
		const normalizeLink = markdown.normalizeLink.bind(markdown);
		markdown.normalizeLink = (url) => {
			this.step(LINK + url.length);
			return normalizeLink(url);
		};
		linkify.testSchemaAt = (text, schema, at) => {
			const length = testSchemaAt(text, schema, at);
			this.step(length > 0 ? length : FRUITLESS_SCAN);
			return length;
		};
	}
}
