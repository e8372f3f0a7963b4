import { mount, unmount } from "svelte";
import CodeHead from "../components/CodeHead.svelte";
import { Highlighter, KINDS, type Token } from "./highlighter";

const highlighter = new Highlighter(
	() => new Worker(new URL("./highlight-worker.ts", import.meta.url), { type: "module" }),
);

/** Further code blocks of one message stay as they are: a thousand of them would cost the page a thousand buttons. */
const MOST_BLOCKS = 12;

/** Gives the code blocks in `prose` a head and colours; returns the cleanup. */
export function codeBlocks(prose: HTMLElement): () => void {
	const blocks = [...prose.querySelectorAll<HTMLElement>("pre")].slice(0, MOST_BLOCKS);
	const cleanups = blocks.map((block) => {
		const code = block.querySelector("code");
		const language = block.dataset.language ?? "";
		const text = code?.textContent ?? "";
		const props = { language, code: text };
		const head = mount(CodeHead, { target: block, anchor: block.firstChild ?? undefined, props } as never);
		const colours = code && language !== "" ? coloured(code, { language, code: text }) : () => {};
		return () => {
			colours();
			void unmount(head);
		};
	});
	return () => {
		for (const cleanup of cleanups) cleanup();
	};
}

/**
 * Colours without elements: the text stays one node, so that colours cost the page little and nothing of a message
 * becomes markup. Browsers without this show the code as it is.
 */
function coloured(element: HTMLElement, asked: { language: string; code: string }): () => void {
	const text = element.firstChild;
	const ranges: [string, Range][] = [];
	let gone = false;
	if (typeof Highlight === "undefined" || typeof Worker === "undefined" || !text) return () => {};
	void highlighter.tokens(asked).then((tokens: readonly Token[]) => {
		if (gone) return;
		for (const [from, to, kind] of tokens) {
			const range = new Range();
			range.setStart(text, from);
			range.setEnd(text, to);
			ranges.push([kind, range]);
			registered(kind)?.add(range);
		}
	});
	return () => {
		gone = true;
		for (const [kind, range] of ranges) registered(kind)?.delete(range);
	};
}

/** The colour of that kind: `::highlight(code-…)` in app.css. */
function registered(kind: string): Highlight | undefined {
	if (!CSS.highlights.has("code-keyword"))
		for (const name of KINDS) CSS.highlights.set(`code-${name}`, new Highlight());
	return CSS.highlights.get(`code-${kind}`);
}
