import { describe, expect, it } from "vitest";
import { loadedIn } from "./as-loaded";

describe("a counter against the period before", () => {
	const load = () => import("../../src/analytics/counters");

	it.each([
		[5, undefined, "\u00a0", ""],
		[5, null, "\u00a0", ""],
		[0, 0, "as in the period before", ""],
		[5, 0, "nothing in the period before", ""],
		[5, 5, "as in the period before", ""],
		[6, 5, "+20% on the period before", "is-up"],
		[4, 5, "-20% on the period before", "is-down"],
		[49, 5, "+880% on the period before", "is-up"],
		[52, 5, "10 × the period before", "is-up"],
	])("says for %d after %s: %s", async (value, before, text, dress) => {
		const { comparison } = await loadedIn("en", load);
		const made = comparison(value, before);

		expect([made.textContent, made.className]).toEqual([text, dress]);
	});

	async function counters() {
		const { Counters } = await loadedIn("en", load);
		const list = document.createElement("ul");
		list.dataset.counters = "";
		document.body.append(list);
		return { counters: new Counters(), list };
	}
	const shown = (list: Element) =>
		[...list.children].map(
			(one) => `${one.querySelector("h3")?.textContent}: ${one.querySelector("b")?.textContent}`,
		);

	it("stands at its place, whenever it comes", async () => {
		const { counters: made, list } = await counters();

		made.move({ messages: 1_234, joins: 2 });
		made.move({ people: 7 });

		expect(shown(list)).toEqual(["Messages: 1,234", "People active: 7", "Joins: 2"]);
	});

	it("shows that it has moved, and not that it has come", async () => {
		const { counters: made, list } = await counters();
		const moved = () => [...list.querySelectorAll(".moved")].map((one) => one.getAttribute("data-counter"));

		made.move({ messages: 1, people: 1 });
		expect(moved()).toEqual([]);
		made.move({ messages: 2, people: 1 });
		expect(moved()).toEqual(["messages"]);
	});

	it("goes when it does not suit the choice", async () => {
		const { counters: made, list } = await counters();

		made.move({ messages: 1, rooms: 3 });
		made.forget();
		made.move({ messages: 1, rooms: null });

		expect(shown(list)).toEqual(["Messages: 1"]);
	});
});
