/** Browser features that components use and jsdom lacks: nothing has a size there, and a mouse hovers. */

class NoObserver {
	observe(): void {}
	unobserve(): void {}
	disconnect(): void {}
}
globalThis.ResizeObserver ??= NoObserver;

if (typeof HTMLDialogElement !== "undefined") {
	HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
		this.open = true;
	};
	HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
		this.open = false;
	};
}

if (typeof window !== "undefined")
	window.matchMedia ??= (media: string) =>
		Object.assign(new EventTarget(), { media, matches: media === "(hover: hover)" }) as MediaQueryList;
