/** Makes elements that scroll sideways reachable by keyboard while part of them is out of view. */
const observer = new ResizeObserver((entries) => {
	for (const { target } of entries) {
		if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
		else target.removeAttribute("tabindex");
	}
});

/** Makes the rendered Markdown in `prose` part of a row; returns the cleanup. */
export function partOfRow(prose: HTMLElement): () => void {
	// The row is the only Tab stop; its keys lead to what is in it.
	for (const link of prose.querySelectorAll("a")) link.tabIndex = -1;
	const scrollers = [...prose.querySelectorAll("pre, table")];
	for (const one of scrollers) observer.observe(one);
	return () => {
		for (const one of scrollers) observer.unobserve(one);
	};
}
