import { createRawSnippet, flushSync, mount, unmount } from "svelte";
import { afterEach, describe, expect, it } from "vitest";
import VirtualRows from "../src/components/VirtualRows.svelte";

const ROW = 40;
const HEIGHT = 400;
let mounted: ReturnType<typeof mount> | undefined;
afterEach(() => {
	if (mounted) void unmount(mounted);
	document.body.replaceChildren();
});

/** A list of `count` rows that is as high as ten of them. */
function listOf(count: number) {
	const scroller = document.body.appendChild(document.createElement("div"));
	let top = 0;
	Object.defineProperty(scroller, "clientHeight", { value: HEIGHT });
	const rows = Array.from({ length: count }, (_, at) => ({ id: at + 1 }));
	const row = createRawSnippet<[{ id: number }]>((item) => ({
		render: () => `<button type="button">${item().id}</button>`,
	}));
	mounted = mount(VirtualRows, { target: scroller, props: { rows, scroller, row } });
	const list = scroller.querySelector("ul") as HTMLElement;
	list.getBoundingClientRect = () => new DOMRect(0, -top, 200, count * ROW);
	flushSync();
	return {
		items: () => [...list.querySelectorAll("li")],
		numbers: () => [...list.querySelectorAll("button")].map((button) => Number(button.textContent)),
		scrollTo: (at: number) => {
			top = at * ROW;
			scroller.dispatchEvent(new Event("scroll"));
			flushSync();
		},
	};
}

describe("VirtualRows", () => {
	it("has a screenful of 5,000 rows in the document, wherever it is scrolled", () => {
		const { numbers, scrollTo } = listOf(5_000);
		expect(numbers()[0]).toBe(1);
		expect(numbers().length).toBeLessThanOrEqual(30);

		for (let at = 0; at < 5_000; at += 100) {
			scrollTo(at);
			expect(numbers().length).toBeLessThanOrEqual(30);
			expect(numbers()).toEqual(expect.arrayContaining([at + 1, Math.min(5_000, at + 10)]));
		}
	});

	it("tells a screen reader how many there are and which one it is at", () => {
		const { items, scrollTo } = listOf(5_000);

		scrollTo(4_000);

		const row = items().find((item) => item.textContent?.trim() === "4001");
		expect(row?.getAttribute("aria-posinset")).toBe("4001");
		expect(row?.getAttribute("aria-setsize")).toBe("5000");
	});

	it("keeps the row that has the focus when it is scrolled out of view", () => {
		const { items, numbers, scrollTo } = listOf(5_000);
		const button = items()[2]?.querySelector("button") as HTMLElement;
		button.focus();
		flushSync();

		scrollTo(3_000);

		expect(numbers()).toContain(3);
		expect(document.activeElement).toBe(button);
	});
});
