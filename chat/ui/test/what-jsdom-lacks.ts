/** Parts of a browser that components use and jsdom does not have: nothing has a size there, and a mouse hovers. */

class NoObserver {
	observe(): void {}
	unobserve(): void {}
	disconnect(): void {}
}
globalThis.ResizeObserver ??= NoObserver;

if (typeof window !== "undefined")
	window.matchMedia ??= (media: string) =>
		Object.assign(new EventTarget(), { media, matches: media === "(hover: hover)" }) as MediaQueryList;
