import type { MarkdownIt } from "markdown-it";
import { matchAt } from "./match-at";

const SAFE_LINK = /^(?:https?:|mailto:)/i;
/** No host name is longer than 253 characters; longer ones become no link. */
const AUTHORITY = /\/\/[^\s/?#\\<>]{0,700}/y;
/** Scheme, whatever comes before the host, and the host. */
const HOST = /^((?:https?:)?\/\/|mailto:[^@]*@)?([^/?#:\\]*)/i;

/** Names of hosts or files in a text; and whatever follows two slashes. */
const NAMES = /\/\/([^\s/?#]+)|(?<![\p{L}\p{N}_.-])(?:[\p{L}\p{N}_-]+\.)+\p{L}[\p{L}\p{N}-]+/gu;
/** Endings that no host has. */
const FILES =
	/\.(?:conf|cfg|csv|css|docx?|exe|gif|gz|html?|ini|jpe?g|jsx?|json|log|mp4|pdf|php|png|pptx?|sql|svelte|svg|tar|toml|tsx?|txt|vue|webp|xlsx?|xml|ya?ml)$/i;

/** Which addresses are links, where they lead, and how they look. */
export function useLinks(markdown: MarkdownIt): void {
	const { linkify } = markdown;
	linkify.set({ fuzzyEmail: false, fuzzyIP: false });
	// Addresses that no link may lead to are not looked for either: each start costs a scan of all that follows.
	linkify.add("ftp:", null).add("//", null);
	for (const scheme of ["http:", "https:"])
		linkify.add(scheme, {
			validate: (text, at, { re }) => {
				// Readers take a name before "@" for the host; and a password does not belong in a link.
				if (matchAt(AUTHORITY, text, at)?.[0].includes("@")) return 0;
				return matchAt(re.get_http_validator(), text, at)?.[0].length ?? 0;
			},
		});
	// Names without a scheme are links only after "www.": in a chat, `main.rs` and `notes.md` are files.
	const SCHEMELESS = "//www.";
	linkify.add("www.", {
		validate: (text, at, linkify) =>
			Math.max(0, linkify.testSchemaAt(SCHEMELESS + text.slice(at), "http:", 0) - SCHEMELESS.length),
		normalize: (match) => {
			match.url = `http://${match.url}`;
		},
	});
	markdown.validateLink = isSafe;
	markdown.normalizeLinkText = shownAddress;
	const normalize = markdown.normalizeLink.bind(markdown);
	markdown.normalizeLink = (url) => normalize(withAsciiHost(url));
}

export function isSafe(url: string): boolean {
	const text = url.trim();
	if (!SAFE_LINK.test(text)) return false;
	if (/^mailto:/i.test(text)) return true;
	const address = parsed(text);
	return address !== null && address.hostname !== "" && address.username === "" && address.password === "";
}

function parsed(url: string): URL | null {
	try {
		return new URL(url);
	} catch {
		return null;
	}
}

function asciiHost(host: string): string | null {
	return parsed(`http://${host}`)?.hostname ?? null;
}

function withAsciiHost(url: string): string {
	return withHost(url, (host) => asciiHost(host) ?? host);
}

/** `url` with its host changed by `change`, unless the host is plain ASCII. */
function withHost(url: string, change: (host: string) => string): string {
	const [all = "", prefix = "", host = ""] = HOST.exec(url) ?? [];
	return /[^\0-\x7f]/.test(host) ? prefix + change(host) + url.slice(all.length) : url;
}

/** An address as typed, but with the host in ASCII ("punycode") if some of its letters look like others. */
export function shownAddress(url: string): string {
	return withHost(url, (host) => (looksLikeItself(host) ? host : (asciiHost(host) ?? host)));
}

/** The Latin letters with marks that European languages write; ı, ŀ and ſ are too much like others. */
const LATIN = /^[a-z0-9\u00df-\u00f6\u00f8-\u0130\u0132-\u0137\u0139-\u013e\u0141-\u0148\u014a-\u017e-]+$/;
const CYRILLIC = /^[\u0400-\u045f\u0490\u0491\u04d8-\u04e90-9-]+$/;
const CYRILLIC_ALONE = /[бгджзийлфцчшщыэюяёєґђљњћџ]/;
const GREEK = /^[\u0386-\u03ce0-9-]+$/;
const GREEK_ALONE = /[βδζθλξπσςφψω]/;
const OF_ONE_SCRIPT = [
	"[ー\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}",
	..."Hangul Arabic Hebrew Devanagari Bengali Tamil Telugu Thai"
		.split(" ")
		.map((name) => `[\\p{scx=${name}}`),
].map((letters) => new RegExp(`^${letters}0-9-]+$`, "u"));

/** Whether each part of the host is in one script, and not only in letters that look like another script's. */
function looksLikeItself(host: string): boolean {
	const labels = host.normalize("NFC").toLowerCase().split(".");
	const top = labels.at(-1) ?? "";
	return labels.every((label) => {
		if (!/^[\p{L}\p{M}0-9-]*$/u.test(label)) return false;
		if (label === "" || LATIN.test(label)) return true;
		if (CYRILLIC.test(label)) return CYRILLIC_ALONE.test(label) || (label !== top && CYRILLIC.test(top));
		if (GREEK.test(label)) return GREEK_ALONE.test(label) || (label !== top && GREEK.test(top));
		return OF_ONE_SCRIPT.some((script) => script.test(label));
	});
}

/** Whether the text of a link names a host, and the link leads to another one. */
export function misleads(label: string, href: string): boolean {
	const text = label.normalize("NFKC").replace(/[\p{Default_Ignorable_Code_Point}*~`]/gu, "");
	const names = [...text.matchAll(NAMES)].filter(([name, host]) => host !== undefined || !FILES.test(name));
	if (names.length === 0) return false;
	const target = /^mailto:/i.test(href)
		? /@([^?]*)/.exec(href)?.[1]?.toLowerCase()
		: parsed(href)?.hostname.toLowerCase();
	return names.some(([name, host]) => {
		const named = (asciiHost(host ?? name) ?? host ?? name).replace(/^www\./, "");
		return target !== named && !target?.endsWith(`.${named}`);
	});
}
