import { hasModifier } from "./keys";
import type { Format } from "./text-format";

export type WritingKey = Format | "preview";

/** The keys of the message field, as the list of keys shows them; letters are those of a Latin keyboard. */
export const WRITING_KEYS: Record<WritingKey, string> = {
	bold: "Ctrl+B",
	italic: "Ctrl+I",
	strike: "Ctrl+Shift+X",
	link: "Ctrl+Shift+L",
	code: "Ctrl+E",
	codeBlock: "Ctrl+Shift+E",
	quote: "Ctrl+Shift+9",
	bullets: "Ctrl+Shift+8",
	numbers: "Ctrl+Shift+7",
	tasks: "Ctrl+Shift+6",
	preview: "Alt+P",
};

const BY_KEYS = new Map(Object.entries(WRITING_KEYS).map(([name, keys]) => [keys, name as WritingKey]));

/** What the keys mean in the message field; null if nothing. */
export function writingKey(event: KeyboardEvent): WritingKey | null {
	if (!hasModifier(event)) return null;
	// With Shift a digit is a sign, and on a Russian keyboard each letter is another one.
	const isLatin = /^[a-z]$/i.test(event.key);
	const key = isLatin ? event.key.toUpperCase() : event.code.replace(/^(?:Key|Digit)(?=.$)/, "");
	const held = [
		event.ctrlKey || event.metaKey ? "Ctrl" : "",
		event.altKey ? "Alt" : "",
		event.shiftKey ? "Shift" : "",
	];
	return BY_KEYS.get([...held.filter(Boolean), key].join("+")) ?? null;
}
