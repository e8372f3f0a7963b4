/** What the colours of a chart stand for. */

import { element } from "./dom";

/** `token` is the custom property of the colour. */
export function legend(items: { label: string; token: string; text: string }[]): HTMLElement {
	return element(
		"ul",
		{ class: "n-legend" },
		...items.map(({ label, token, text }) => {
			const mark = element("i");
			mark.style.background = `var(${token})`;
			return element("li", {}, mark, `${label} `, element("b", {}, text));
		}),
	);
}
