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
function over(from: number, to: number) {
	let items = $state.raw(lines(from, to));
	const shown = new RowWindow(() => items);
	return {
		shown,
		load: (first: number, last: number) => {
			items = lines(first, last);
		},
		ends: () => [items[shown.start]?.seq, items[shown.end - 1]?.seq],
	};
}

describe("RowWindow", () => {
	it("shows the newest hundred and follows the end", () => {
		const { ends, load } = over(1, 500);
		expect(ends()).toEqual([401, 500]);

		load(1, 510);

		expect(ends()).toEqual([411, 510]);
	});

	it("keeps what is read when more comes to the end", () => {
		const { shown, ends, load } = over(1, 500);

		shown.hold();
		load(1, 510);

		expect(ends()).toEqual([401, 510]);
	});

	it("stays bounded while messages come below somebody who reads further up", () => {
		const { shown, ends, load } = over(1, 500);
		shown.hold();

		load(1, 2_000);

		expect(ends()).toEqual([401, 720]);
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
