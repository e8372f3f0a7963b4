/** The few things that every part does with the page's elements. */

type Child = Node | string | null;
type Attributes = Record<string, string | boolean | undefined>;

/** An element with attributes and children. Text goes in as text, never as HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
	tag: K,
	attributes: Attributes = {},
	...children: Child[]
): HTMLElementTagNameMap[K] {
	const made = document.createElement(tag);
	fill(made, attributes, children);
	return made;
}

/** The same for SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(
	tag: K,
	attributes: Attributes = {},
	...children: Child[]
): SVGElementTagNameMap[K] {
	const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
	fill(made, attributes, children);
	return made;
}

function fill(made: Element, attributes: Attributes, children: Child[]): void {
	for (const [name, value] of Object.entries(attributes)) {
		if (value === undefined || value === false) continue;
		made.setAttribute(name, value === true ? "" : value);
	}
	made.append(...children.filter((child) => child !== null));
}

/** An element of the template that must be there. */
export function find<T extends HTMLElement = HTMLElement>(
	selector: string,
	within: ParentNode = document,
): T {
	const found = within.querySelector<T>(selector);
	if (found === null) throw new Error(`The page has no ${selector}.`);
	return found;
}

/** A colour of the scheme that is on, by the name of its custom property. */
export function colour(name: string): string {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
