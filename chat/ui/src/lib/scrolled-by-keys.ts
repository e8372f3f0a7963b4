/** What scrolls sideways can be reached by keyboard as long as something of it is out of view. */
const observer = new ResizeObserver((entries) => {
	for (const { target } of entries) {
		if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
		else target.removeAttribute("tabindex");
	}
});

/** Makes the rendered Markdown in `prose` a part of a row; returns what ends it. */
export function partOfRow(prose: HTMLElement): () => void {
	// The row is the one stop of Tab; its keys lead to what is in it.
	for (const link of prose.querySelectorAll("a")) link.tabIndex = -1;
	const scrollers = [...prose.querySelectorAll("pre, table")];
	for (const one of scrollers) observer.observe(one);
	return () => {
		for (const one of scrollers) observer.unobserve(one);
	};
}
