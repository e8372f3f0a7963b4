import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

const SAFE_LINK = /^(?:https?:|mailto:)/i;

const markdown = new MarkdownIt("default", { html: false, linkify: true, breaks: true, typographer: false });
// No images: they would be fetched from other hosts. No setext headings or indented code: both turn up by accident in chat.
markdown.disable(["image", "lheading", "code"]);
markdown.linkify.set({ fuzzyEmail: false, fuzzyIP: false });
// Names without a scheme are links only after "www.": in a chat `main.rs` and `notes.md` are files.
const SCHEMELESS = "//www.";
markdown.linkify.add("www.", {
	validate: (text, at, linkify) =>
		Math.max(0, linkify.testSchemaAt(SCHEMELESS + text.slice(at), "http:", 0) - SCHEMELESS.length),
	normalize: (match) => {
		match.url = `http://${match.url}`;
	},
});
markdown.validateLink = (url: string) => SAFE_LINK.test(url.trim());

const purifier = DOMPurify();
purifier.addHook("afterSanitizeAttributes", (node) => {
	if (node.tagName !== "A") return;
	if (!SAFE_LINK.test(node.getAttribute("href") ?? "")) node.removeAttribute("href");
	node.setAttribute("rel", "noopener noreferrer nofollow");
	// A link to a place in this chat leads there, without a second page.
	if (!leadsHere(node as HTMLAnchorElement)) node.setAttribute("target", "_blank");
});

function leadsHere({ origin, pathname, hash }: HTMLAnchorElement): boolean {
	return origin === location.origin && pathname === location.pathname && hash.startsWith("#/");
}

const CONFIG = {
	ALLOWED_TAGS:
		"a p br strong em s code pre blockquote ul ol li h1 h2 h3 h4 h5 h6 hr table thead tbody tr th td".split(
			" ",
		),
	ALLOWED_ATTR: ["href", "start"],
	ALLOWED_URI_REGEXP: SAFE_LINK,
};

const MOST_CACHED = 2_000;
const cache = new Map<string, string>();

function escapeHtml(text: string): string {
	return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Safe HTML of a message: Markdown without raw HTML or images; links to http, https and mailto only. */
export function renderMarkdown(source: string): string {
	let html = cache.get(source);
	if (html === undefined) {
		// Where DOMPurify cannot work it returns its input as it is.
		html = purifier.isSupported ? purifier.sanitize(markdown.render(source), CONFIG) : escapeHtml(source);
		if (cache.size >= MOST_CACHED) cache.delete(cache.keys().next().value ?? "");
		cache.set(source, html);
	}
	return html;
}

/** One line of plain text, for quotes. */
export function plainExcerpt(source: string, length = 140): string {
	const text = source.replace(/\s+/g, " ").trim();
	const characters = [...text];
	return characters.length > length ? `${characters.slice(0, length).join("")}…` : text;
}

/** Whether a message is nothing but one to three emoji, which are then shown large. */
export function isOnlyEmoji(source: string): boolean {
	const text = source.trim();
	if (text.length === 0 || text.length > 40) return false;
	const parts = [
		...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text.replace(/\s/g, "")),
	];
	return (
		parts.length <= 3 &&
		parts.every(({ segment }) => /^(?:\p{Extended_Pictographic}|\p{Regional_Indicator}{2})/u.test(segment))
	);
}
