/** A ranked list: names with bars behind them. */

import { element, svg } from "./dom";

export interface Rank {
	name: string;
	value: number;
	text: string;
	emoji?: boolean;
	open?: () => void;
}

/** Largest first. */
export function ranked(ranks: Rank[]): HTMLElement {
	const most = Math.max(1, ...ranks.map((one) => one.value));
	return element("ol", { class: "n-ranks" }, ...ranks.map((one) => element("li", {}, line(one, most))));
}

function line(one: Rank, most: number): HTMLElement {
	const share = Math.max(0.5, (100 * one.value) / most);
	const bar = svg(
		"svg",
		{ viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
		svg("rect", { width: share.toFixed(1), height: "10", fill: "currentColor", "fill-opacity": "0.16" }),
	);
	const name = element("span", { class: one.emoji ? "is-emoji" : undefined, title: one.name }, one.name);
	const value = element("b", {}, one.text);
	if (!one.open) return element("div", { class: "n-rank" }, bar, name, value);
	const button = element("button", { class: "n-rank", type: "button" }, bar, name, value);
	button.onclick = one.open;
	return button;
}
