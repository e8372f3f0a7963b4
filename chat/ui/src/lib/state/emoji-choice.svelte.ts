const MOST_RECENT = 24;

/** The emoji that a person has used last, and the skin tone they chose; kept by this browser. */
export class EmojiChoice {
	recent = $state.raw<readonly string[]>([]);
	/** 1 to 5 from light to dark; 0: none. */
	tone = $state(0);
	private readonly key: string;

	constructor(user: number) {
		this.key = `veche:emoji:${user}`;
		try {
			const kept: unknown = JSON.parse(localStorage.getItem(this.key) ?? "{}");
			const { recent, tone } = kept as { recent?: unknown; tone?: unknown };
			if (Array.isArray(recent)) this.recent = recent.filter((one) => typeof one === "string");
			if (typeof tone === "number" && tone >= 0 && tone <= 5) this.tone = tone;
		} catch {
			// Storage is forbidden, or holds something else.
		}
	}

	use(emoji: string): void {
		this.recent = [emoji, ...this.recent.filter((one) => one !== emoji)].slice(0, MOST_RECENT);
		this.keep();
	}

	choose(tone: number): void {
		this.tone = tone;
		this.keep();
	}

	private keep(): void {
		try {
			localStorage.setItem(this.key, JSON.stringify({ recent: this.recent, tone: this.tone }));
		} catch {
			// The choice lasts as long as the page.
		}
	}
}

const choices = new Map<number, EmojiChoice>();

export function emojiChoice(user: number): EmojiChoice {
	let choice = choices.get(user);
	if (!choice) {
		choice = new EmojiChoice(user);
		choices.set(user, choice);
	}
	return choice;
}
