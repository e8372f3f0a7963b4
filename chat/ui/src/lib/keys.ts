/**
 * Whether a key belongs to an input method that is composing text.
 *
 * Safari ends the composition before it reports the Enter that ended it; only the legacy key code, 229
 * ("processed by an input method"), still says so. See https://bugs.webkit.org/show_bug.cgi?id=165004.
 */
export function isComposing(event: KeyboardEvent): boolean {
	return event.isComposing || event.keyCode === 229;
}

export function hasModifier(event: KeyboardEvent): boolean {
	return event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
}
