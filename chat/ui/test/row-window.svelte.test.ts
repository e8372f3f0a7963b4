import { describe, expect, it } from "vitest";
import type { Item } from "../src/lib/client/history";
import { RowWindow } from "../src/lib/state/row-window.svelte";

function lines(from: number, to: number): Item[] {
	return Array.from({ length: to - from + 1 }, (_, at) => ({
		kind: "system",
		n: 1,
		seq: from + at,
		at: "2026-11-20T10:00:00Z",
		type: "member.left",
		actor: 5,
		data: {},
	}));
}

/** The window over a list that can grow at both ends, and the positions it shows. */
function over(from: number, to: number, mine?: number) {
	let items = $state.raw(lines(from, to));
	const shown = new RowWindow(
		() => items,
		(item) => item.seq === mine,
	);
	return {
		shown,
		load: (first: number, last: number) => {
			items = lines(first, last);
		},
		ends: () => [items[shown.start]?.seq, items[shown.end - 1]?.seq],
		/** The positions shown after each step, until nothing is left to do. */
		steps: () => {
			const after = [];
			while (shown.behind) {
				shown.step();
				after.push([items[shown.start]?.seq, items[shown.end - 1]?.seq]);
			}
			return after;
		},
	};
}

describe("RowWindow", () => {
	it("shows the newest hundred and follows the end, letting go of some at a time", () => {
		const { ends, load } = over(1, 500);
		expect(ends()).toEqual([401, 500]);

		for (let last = 505; last <= 520; last += 5) {
			load(1, last);
			expect(ends()).toEqual([401, last]);
		}
		load(1, 521);

		expect(ends()).toEqual([422, 521]);
	});

	it("takes in by slices what comes at once", () => {
		const { ends, load, steps } = over(1, 500);
		expect(ends()).toEqual([401, 500]);

		load(1, 515);
		expect(ends()).toEqual([401, 506]);
		load(1, 516);

		expect(ends()).toEqual([401, 506]);
		expect(steps()).toEqual([
			[401, 512],
			[401, 516],
		]);
	});

	it("leaves out what would only rush past, and fills up above the newest screenful", () => {
		const { shown, ends, load, steps } = over(1, 500);
		expect(ends()).toEqual([401, 500]);

		load(1, 5_000);

		expect(ends()).toEqual([4_971, 5_000]);
		expect(shown.following).toBe(true);
		const filled = steps();
		expect(filled.slice(0, 2)).toEqual([
			[4_965, 5_000],
			[4_959, 5_000],
		]);
		expect(filled.at(-1)).toEqual([4_901, 5_000]);
	});

	it("goes on at the end before it fills up", () => {
		const { ends, load, shown } = over(1, 500);
		expect(ends()).toEqual([401, 500]);
		load(1, 600);
		expect(ends()).toEqual([571, 600]);

		load(1, 615);
		expect(ends()).toEqual([571, 600]);
		shown.step();
		expect(ends()).toEqual([571, 606]);
		shown.step();
		expect(ends()).toEqual([571, 612]);
		shown.step();

		expect(ends()).toEqual([565, 615]);
	});

	it("does not keep waiting what one has written oneself", () => {
		const { ends, load, shown } = over(1, 500, 515);
		expect(ends()).toEqual([401, 500]);

		load(1, 516);

		expect(ends()).toEqual([401, 516]);
		expect(shown.behind).toBe(false);
	});

	it("shows a page at once that comes above what came first", () => {
		const { ends, load } = over(500, 501);
		expect(ends()).toEqual([500, 501]);

		load(401, 501);

		expect(ends()).toEqual([402, 501]);
	});

	it("begins again in a room that was set back", () => {
		const { ends, load } = over(1, 500);
		expect(ends()).toEqual([401, 500]);

		load(1, 20);

		expect(ends()).toEqual([1, 20]);
	});

	it("keeps what is read when more comes to the end", () => {
		const { shown, ends, load, steps } = over(1, 500);

		shown.hold();
		load(1, 510);
		expect(ends()).toEqual([401, 506]);

		expect(steps()).toEqual([[401, 510]]);
	});

	it("stays bounded while messages come below somebody who reads further up", () => {
		const { shown, ends, load, steps } = over(1, 500);
		shown.hold();

		load(1, 2_000);

		expect(ends()).toEqual([401, 506]);
		expect(steps().at(-1)).toEqual([401, 720]);
		expect(shown.following).toBe(false);
		for (let times = 0; times < 30; times++) shown.growDown(true);
		expect(ends()).toEqual([1_681, 2_000]);
		expect(shown.following).toBe(true);
	});

	it("keeps what is read when older pages come in", () => {
		const { shown, ends, load } = over(401, 500);

		shown.hold();
		load(351, 500);
		expect(ends()).toEqual([401, 500]);
		shown.growUp();

		expect(ends()).toEqual([351, 500]);
	});

	it("grows upwards without growing for ever, and comes back down to the end", () => {
		const { shown, ends } = over(1, 2_000);

		for (let times = 0; times < 10; times++) shown.growUp();
		expect(ends()).toEqual([1_301, 1_620]);
		expect(shown.following).toBe(false);
		for (let times = 0; times < 10; times++) shown.growDown(true);

		expect(ends()).toEqual([1_681, 2_000]);
		expect(shown.following).toBe(true);
	});

	it("does not follow the end of a stretch that is not the newest", () => {
		const { shown } = over(1, 80);

		shown.around(40, false);
		shown.growDown(false);

		expect(shown.following).toBe(false);
	});

	it("lets go of what was scrolled past when the reader is at the end again", () => {
		const { shown, ends } = over(1, 500);
		shown.growUp();
		shown.growUp();

		shown.trim();

		expect(ends()).toEqual([401, 500]);
	});

	it("is empty over nothing", () => {
		const { shown } = over(1, 0);

		shown.hold();
		shown.growUp();

		expect([shown.start, shown.end]).toEqual([0, 0]);
	});
});
