// @ts-check
/** The few things that every script does with the page's elements. */

/** @typedef {Node | string | null} Child */

/**
 * An element with attributes and children. Text goes in as text, never as HTML.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, string | boolean | undefined>} attributes @param {Child[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
	const made = document.createElement(tag);
	fill(made, attributes, children);
	return made;
}

/**
 * The same for SVG.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag @param {Record<string, string | boolean | undefined>} attributes @param {Child[]} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
	const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
	fill(made, attributes, children);
	return made;
}

/** @param {Element} made @param {Record<string, string | boolean | undefined>} attributes @param {Child[]} children */
function fill(made, attributes, children) {
	for (const [name, value] of Object.entries(attributes)) {
		if (value === undefined || value === false) continue;
		made.setAttribute(name, value === true ? "" : value);
	}
	made.append(...children.filter((child) => child !== null));
}

/**
 * An element of the template that must be there.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector @param {ParentNode} within @returns {T}
 */
export function find(selector, within = document) {
	const found = within.querySelector(selector);
	if (found === null) throw new Error(`The page has no ${selector}.`);
	return /** @type {T} */ (found);
}

/** A colour of the scheme that is on. @param {string} name A custom property. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
