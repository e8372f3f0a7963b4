/** Puts text on the clipboard; false if the browser does not allow it. */
export async function copyText(text: string): Promise<boolean> {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		return copySelected(text);
	}
}

/** Over plain HTTP there is no clipboard API, but selected text can still be copied. */
function copySelected(text: string): boolean {
	const before = document.activeElement as HTMLElement | null;
	const box = document.createElement("textarea");
	box.value = text;
	box.style.cssText = "position: fixed; inset: 0 auto auto 0; opacity: 0";
	document.body.append(box);
	box.select();
	try {
		return document.execCommand("copy");
	} finally {
		box.remove();
		before?.focus({ preventScroll: true });
	}
}
