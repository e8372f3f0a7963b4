/** More links of one message stay links. */
const MOST = 3;

export interface Place {
	readonly slug: string;
	readonly seq: number;
}

/** The messages of this installation that formatted text links to, in order, each once. */
export function linkedMessages(html: string): Place[] {
	const here = `href="${location.origin}${location.pathname}#/`;
	if (!html.includes(here)) return [];
	const found = new Map<string, Place>();
	for (const [, address = ""] of html.matchAll(/href="([^"]*)"/g)) {
		const [, slug, seq] = /#\/([^/]+)\/(\d{1,15})$/.exec(address) ?? [];
		if (slug === undefined || seq === undefined || !`href="${address}`.startsWith(here)) continue;
		const place = decoded(slug);
		if (place !== null) found.set(`${place}/${seq}`, { slug: place, seq: Number(seq) });
	}
	return [...found.values()].slice(0, MOST);
}

function decoded(slug: string): string | null {
	try {
		return decodeURIComponent(slug);
	} catch {
		return null;
	}
}

/** The longest quote, in characters: the link and some words must have room beside it. */
const MOST_QUOTED = 7_000;

/** A message as it is written into another room: quoted, with its link. */
export function forwarded(body: string, address: string): string {
	const lines = body.split("\n").map((line) => (line.trim() === "" ? ">" : `> ${line}`));
	const quoted = [...lines.join("\n")];
	const fits = quoted.length <= MOST_QUOTED;
	return `${fits ? quoted.join("") : `${quoted.slice(0, MOST_QUOTED).join("")}…`}\n${address}\n`;
}
