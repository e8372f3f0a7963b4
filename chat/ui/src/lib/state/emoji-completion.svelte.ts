import { allEmoji, type Emoji, foundEmoji, nameAtCaret, toned } from "../emoji";
import { edit } from "../field-edits";
import { language } from "../i18n/index.svelte";
import { hasModifier } from "../keys";
import { emojiChoice } from "./emoji-choice.svelte";

const MOST = 8;

interface Found {
	readonly char: string;
	readonly name: string;
}

/** Completes `:names` of emoji in a text field while they are written. */
export class EmojiCompletion {
	found = $state.raw<Found[]>([]);
	active = $state(0);
	/** Where the name begins that the person does not want to be completed. */
	private unwanted: number | null = null;

	constructor(
		private readonly user: number,
		private readonly field: () => HTMLTextAreaElement,
	) {}

	/** The text has changed. */
	async look(): Promise<void> {
		const before = this.written();
		if (!before) this.unwanted = null;
		if (!before || before.from === this.unwanted) {
			this.found = [];
			return;
		}
		// Without the data there is nothing to offer; the next letter tries again.
		const all = await allEmoji(language.code).catch((): Emoji[] => []);
		const now = this.written();
		if (now?.name !== before.name || now.from !== before.from || now.ended !== before.ended) return;
		const choice = emojiChoice(this.user);
		const offered = (emoji: Emoji): Found => ({
			char: toned(emoji, choice.tone),
			name: emoji.names[0] ?? "",
		});
		if (now.ended) {
			this.found = [];
			const meant = all.find(({ names }) => names.includes(now.name));
			if (meant) this.put(now.from, offered(meant).char);
			return;
		}
		this.found = foundEmoji(all, now.name.replaceAll("_", " "), choice.recent, MOST).map(offered);
		this.active = 0;
	}

	/** The caret was moved, which may have left the name. */
	moved(): void {
		if (!this.written()) this.close();
	}

	close(): void {
		this.found = [];
	}

	/** Whether the key was for the completion. */
	keydown(event: KeyboardEvent): boolean {
		const { length } = this.found;
		if (length === 0 || hasModifier(event)) return false;
		if (event.key === "ArrowDown") this.active = (this.active + 1) % length;
		else if (event.key === "ArrowUp") this.active = (this.active + length - 1) % length;
		else if (event.key === "Enter" || event.key === "Tab") this.pick(this.active);
		else if (event.key === "Escape") {
			this.unwanted = this.written()?.from ?? null;
			this.close();
		} else return false;
		return true;
	}

	pick(at: number): void {
		const chosen = this.found[at];
		const name = this.written();
		this.close();
		if (chosen && name) this.put(name.from, `${chosen.char} `);
	}

	private put(from: number, text: string): void {
		const field = this.field();
		const rest = field.value.slice(field.selectionEnd);
		const caret = from + text.length;
		emojiChoice(this.user).use(text.trim());
		edit(field, { text: field.value.slice(0, from) + text + rest, start: caret, end: caret });
	}

	private written() {
		const { value, selectionStart, selectionEnd } = this.field();
		return selectionStart === selectionEnd ? nameAtCaret(value, selectionStart) : null;
	}
}
