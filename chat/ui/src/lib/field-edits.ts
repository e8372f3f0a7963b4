import { difference, type Selected } from "./text-format";

export function selectedIn({ value, selectionStart, selectionEnd }: HTMLTextAreaElement): Selected {
	return { text: value, start: selectionStart, end: selectionEnd };
}

/** Makes the field hold `after` as if it had been typed: the browser's undo takes it back, and `input` tells of it. */
export function edit(field: HTMLTextAreaElement, after: Selected): void {
	field.focus({ preventScroll: true });
	const { from, to, insert } = difference(field.value, after.text);
	if (field.value !== after.text) {
		field.setSelectionRange(from, to);
		// Deprecated, but nothing else keeps the history of a text field.
		document.execCommand?.(insert === "" ? "delete" : "insertText", false, insert);
	}
	if (field.value !== after.text) {
		field.value = after.text;
		field.dispatchEvent(new InputEvent("input", { bubbles: true }));
	}
	field.setSelectionRange(after.start, after.end);
}

/** Puts `text` in place of what is selected. */
export function insert(field: HTMLTextAreaElement, text: string): void {
	const { value, selectionStart, selectionEnd } = field;
	const at = selectionStart + text.length;
	edit(field, {
		text: value.slice(0, selectionStart) + text + value.slice(selectionEnd),
		start: at,
		end: at,
	});
}
