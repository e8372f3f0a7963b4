/**
 * Puts into `box` what `drawn` makes for its width, and makes it anew whenever the width changes. Colours follow the
 * scheme by themselves: they are custom properties. Returns what stops it.
 */
export function asWideAs(box: HTMLElement, drawn: (width: number) => Element): () => void {
	let width = 0;
	const draw = () => {
		if (box.clientWidth === width || box.clientWidth === 0) return;
		width = box.clientWidth;
		box.replaceChildren(drawn(width));
	};
	const watcher = new ResizeObserver(draw);
	watcher.observe(box);
	draw();
	return () => watcher.disconnect();
}
