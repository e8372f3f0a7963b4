import { createRequire } from "node:module";
import type { Plugin } from "vite";

interface Emoji {
	readonly emoji: string;
	readonly hexcode: string;
	readonly label: string;
	readonly tags?: readonly string[];
	readonly group?: number;
	readonly order?: number;
	readonly type: 0 | 1;
	readonly version: number;
	readonly skins?: readonly (Emoji & { readonly tone: number | readonly number[] })[];
}
type ShortNames = Record<string, string | string[]>;

/** Newer ones are empty boxes on many devices. */
const NEWEST = 16;
/** Skin tones and hair by themselves, of which the server makes no reactions. */
const PARTS = 2;
const TONES = ["🏻", "🏼", "🏽", "🏾", "🏿"];

const read = createRequire(import.meta.url);

/**
 * Makes of `emojibase-data/<language>/data.json?rows` only what the page needs: an array for each emoji, as
 * `EmojiRow` in src/lib/emoji-rows.d.ts.
 */
export function emojiRows(): Plugin {
	return {
		name: "emoji-rows",
		enforce: "pre",
		transform(_, id) {
			const language = /emojibase-data\/(en|ru)\/data\.json\?rows$/.exec(id)?.[1];
			if (!language) return null;
			const code = `export default JSON.parse(${JSON.stringify(JSON.stringify(rows(language)))})`;
			return { code, map: null, moduleType: "js" };
		},
	};
}

function rows(language: string) {
	const all: Emoji[] = read(`emojibase-data/${language}/data.json`);
	const names = ["github", "emojibase"].map(
		(set) => read(`emojibase-data/en/shortcodes/${set}.json`) as ShortNames,
	);
	return all
		.filter(({ group, version }) => group !== undefined && group !== PARTS && version <= NEWEST)
		.sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
		.map((one) => {
			const short = [...new Set(names.flatMap((set) => set[one.hexcode] ?? []))];
			const words = [one.label, ...(one.tags ?? [])].join("|").toLowerCase();
			return language === "en"
				? [canonical(one), one.group, hasTones(one) ? 1 : 0, short.join("|"), words]
				: [canonical(one), words];
		});
}

/** The form that Unicode calls fully qualified, as the server stores it: chat/events/emoji.py. */
function canonical({ emoji, type }: Emoji): string {
	return type === 1 && !/[\u200d\u20e3]/.test(emoji) ? emoji.replace("\ufe0f", "") : emoji;
}

/** Whether a tone after the first character makes of it one of all five tones: see `toned` in src/lib/emoji.ts. */
function hasTones(one: Emoji): boolean {
	const skins = (one.skins ?? []).filter(({ tone }) => typeof tone === "number");
	const [first = "", ...rest] = canonical(one);
	const after = rest.join("").replace(/^\ufe0f/, "");
	return skins.length === 5 && skins.every((skin, at) => canonical(skin) === `${first}${TONES[at]}${after}`);
}
