/** Made by emoji-rows.ts of emojibase's data, in Unicode's order. */

declare module "emojibase-data/en/data.json?rows" {
	/** The emoji, its group, whether it has skin tones, its short names, its name and words; names joined by `|`. */
	const rows: [emoji: string, group: number, tones: 0 | 1, short: string, words: string][];
	export default rows;
}

declare module "emojibase-data/ru/data.json?rows" {
	const rows: [emoji: string, words: string][];
	export default rows;
}
