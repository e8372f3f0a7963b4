import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";
import { useBlocks } from "./markdown-blocks";
import { isVisible, useInline } from "./markdown-inline";
import { useLinks } from "./markdown-links";
import { Meter, TooComplex } from "./markdown-meter";
import { useTasks } from "./markdown-tasks";

const SAFE_LINK = /^(?:https?:|mailto:)/i;

const markdown = new MarkdownIt("default", { html: false, linkify: true, breaks: true, typographer: false });
useBlocks(markdown);
useInline(markdown);
useLinks(markdown);
useTasks(markdown);
const meter = new Meter(markdown);

const purifier = DOMPurify();
purifier.addHook("afterSanitizeAttributes", (node) => {
	if (node.tagName !== "A") return;
	if (!SAFE_LINK.test(node.getAttribute("href") ?? "")) node.removeAttribute("href");
	node.setAttribute("rel", "noopener noreferrer nofollow");
	// A link into this chat opens in the same page.
	if (!leadsHere(node as HTMLAnchorElement)) node.setAttribute("target", "_blank");
});

function leadsHere(link: HTMLAnchorElement): boolean {
	// Parsing an address is slow, and most addresses lead elsewhere.
	if (!link.getAttribute("href")?.toLowerCase().startsWith(location.origin)) return false;
	const { origin, pathname, hash } = link;
	return origin === location.origin && pathname === location.pathname && hash.startsWith("#/");
}

const CONFIG = {
	ALLOWED_TAGS:
		"a p br strong em s code pre blockquote ul ol li h1 h2 h3 h4 h5 h6 hr table thead tbody tr th td label input".split(
			" ",
		),
	ALLOWED_ATTR: [
		"href",
		"start",
		"value",
		"dir",
		"data-language",
		"data-mark",
		"type",
		"disabled",
		"checked",
	],
	// No addresses: without this they would have to look like one.
	ADD_URI_SAFE_ATTR: ["start", "value", "dir", "data-language", "data-mark", "type", "disabled", "checked"],
	ALLOW_DATA_ATTR: false,
	ALLOW_ARIA_ATTR: false,
	ALLOWED_URI_REGEXP: SAFE_LINK,
};

/** The most elements and texts that one message may add to the page. */
export const MOST_NODES = 3_000;
/**
 * Blocks within blocks, and elements within elements, of which lists make two a level.
 *
 * More than that would leave no room for words on a phone, and is shown as it was typed.
 */
export const MOST_NESTING = 14;
/** The longest text that the server accepts, in UTF-16 units; longer texts are not examined at all. */
const MOST_UNITS = 16_000;

const MOST_CACHED = 2_000;
const MOST_CACHED_UNITS = 4_000_000;
const cache = new Map<string, Rendered>();
let cachedUnits = 0;

export interface Rendered {
	/** Safe HTML; null if the text needs more than it was allowed, and has to be shown as it is. */
	html: string | null;
	/** The number of elements and texts in `html`, or the allowed number, if that was not enough. */
	nodes: number;
}

function escapeHtml(text: string): string {
	return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * A message as HTML: Markdown without raw HTML or images; links to http, https and mailto only.
 *
 * It makes at most `most` nodes, and the work has a matching limit: a few ms.
 */
export function renderMarkdown(source: string, most = MOST_NODES): Rendered {
	let rendered = cache.get(source);
	if (!rendered || (rendered.html === null && rendered.nodes < most)) {
		rendered = toHtml(source, most);
		if (rendered.html !== null)
			// Where DOMPurify cannot work it returns its input as it is.
			rendered.html = purifier.isSupported ? purifier.sanitize(rendered.html, CONFIG) : escapeHtml(source);
		remember(source, rendered);
	}
	return rendered.nodes > most ? { html: null, nodes: most } : rendered;
}

/** The same before sanitising: not for the page. */
export function toHtml(source: string, most = MOST_NODES): Rendered {
	const tooMuch = { html: null, nodes: most };
	if (source.length > MOST_UNITS) return tooMuch;
	meter.allow({ steps: 15_000 + 35 * most, tokens: 400 + 2 * most, nesting: MOST_NESTING });
	let html: string;
	try {
		// Line ends between elements would be texts of their own.
		html = markdown.render(apart(source)).replace(/>\n+</g, "><");
	} catch (error) {
		if (error instanceof TooComplex) return tooMuch;
		throw error;
	}
	const { nodes, nesting } = measured(html);
	if (nodes > most || nesting > MOST_NESTING) return tooMuch;
	// Only lines and marks: `---`.
	if (isVisible(html.replace(/<[^>]*>/g, ""))) return { html, nodes };
	const lines = apart(source).split("\n");
	if (2 * lines.length > most) return tooMuch;
	return { html: `<p dir="ltr">${lines.map(escapeHtml).join("<br>")}</p>`, nodes: 2 * lines.length };
}

const VOID = new Set(["br", "hr", "input"]);

/** How many elements and texts the renderer's HTML has, and how deep they are nested. */
function measured(html: string): { nodes: number; nesting: number } {
	let nodes = 0;
	let depth = 0;
	let nesting = 0;
	let end = 0;
	for (const tag of html.matchAll(/<(\/?)(\w+)[^>]*>/g)) {
		if (tag.index > end) nodes += 1;
		end = tag.index + tag[0].length;
		if (tag[1]) depth -= 1;
		else {
			nodes += 1;
			if (!VOID.has(tag[2] ?? "")) depth += 1;
			if (depth > nesting) nesting = depth;
		}
	}
	return { nodes: end < html.length ? nodes + 1 : nodes, nesting };
}

/**
 * `text` with spaces inside towers of combining marks; real text has a few per letter.
 *
 * A browser lays out a letter and its marks as one unit, in quadratic time: 8,000 marks take a quarter of a second.
 */
export function apart(text: string): string {
	return text.replace(/\p{M}{20}(?=\p{M})/gu, "$& ");
}

function remember(source: string, rendered: Rendered): void {
	forget(source);
	cache.set(source, rendered);
	cachedUnits += units(source, rendered);
	for (const oldest of cache.keys()) {
		if (cache.size <= MOST_CACHED && cachedUnits <= MOST_CACHED_UNITS) break;
		forget(oldest);
	}
}

function forget(source: string): void {
	const rendered = cache.get(source);
	if (!rendered) return;
	cache.delete(source);
	cachedUnits -= units(source, rendered);
}

function units(source: string, { html }: Rendered): number {
	return source.length + (html?.length ?? 0);
}

const FEW_LINES = 12;
const FEW_UNITS = 800;

/** The first lines of a text that is shown as it is; long text that cannot be formatted is seldom meant to be read. */
export function beginning(source: string): string {
	const lines = source.split("\n", FEW_LINES + 1);
	const text = lines.slice(0, FEW_LINES).join("\n");
	if (text.length > FEW_UNITS) return `${text.slice(0, FEW_UNITS).replace(/[\ud800-\udbff]$/, "")}…`;
	return lines.length > FEW_LINES ? `${text}\n…` : text;
}

/** One line of plain text, for quotes. */
export function plainExcerpt(source: string, length = 140): string {
	const text = source.replace(/\s+/g, " ").trim();
	const characters = [...text];
	return characters.length > length ? `${characters.slice(0, length).join("")}…` : text;
}

/** How an emoji begins; digits and the like are ones with a keycap. */
const EMOJI = /^(?:\p{Extended_Pictographic}|\p{Regional_Indicator}{2}|[0-9#*]\ufe0f?\u20e3)/u;

const characters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Whether a message is nothing but one to three emoji, which are then shown large. */
export function isOnlyEmoji(source: string): boolean {
	const text = source.trim();
	if (text.length > 40 || !EMOJI.test(text)) return false;
	const parts = [...characters.segment(text.replace(/\s/g, ""))];
	return parts.length <= 3 && parts.every(({ segment }) => EMOJI.test(segment));
}
