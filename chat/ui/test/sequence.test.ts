import { describe, expect, it } from "vitest";
import { backoffMs } from "../src/lib/client/backoff";
import { Sequence } from "../src/lib/client/sequence";
import { uuid7 } from "../src/lib/client/uuid7";
import { posted } from "./scripted-socket";

const seqs = (events: { seq: number }[]) => events.map((event) => event.seq);

describe("Sequence", () => {
	it("hands out contiguous events once", () => {
		const sequence = new Sequence(1, 10);

		const first = sequence.accept([posted(11, 1), posted(12, 2)]);
		const again = sequence.accept([posted(11, 1), posted(12, 2)]);

		expect(seqs(first)).toEqual([11, 12]);
		expect(again).toEqual([]);
		expect(sequence.gap).toBe(false);
	});

	it("holds back events that come early until the gap is filled", () => {
		const sequence = new Sequence(1, 10);

		const early = sequence.accept([posted(12, 2), posted(14, 4)]);
		const filled = sequence.accept([posted(11, 1)]);
		const rest = sequence.accept([posted(13, 3)]);

		expect(early).toEqual([]);
		expect(seqs(filled)).toEqual([11, 12]);
		expect(seqs(rest)).toEqual([13, 14]);
	});

	it("sees a gap in a room that has gone quiet from the server's head", () => {
		const sequence = new Sequence(1, 10);

		sequence.heard(13);

		expect(sequence.gap).toBe(true);
		sequence.accept([posted(11, 1), posted(12, 2), posted(13, 3)]);
		expect(sequence.gap).toBe(false);
	});

	it("bounds what it holds back and still gets everything from sync", () => {
		const sequence = new Sequence(1, 0);
		const all = Array.from({ length: 5_000 }, (_, i) => posted(i + 1, i + 1));

		sequence.accept(all.slice(1));
		const synced = [sequence.accept(all.slice(0, 500)), sequence.accept(all.slice(0))].flat();

		expect(seqs(synced)).toEqual(seqs(all));
	});
});

describe("backoffMs", () => {
	it("doubles up to 30 s, half of it random", () => {
		expect(backoffMs(0, () => 0)).toBe(250);
		expect(backoffMs(0, () => 1)).toBe(500);
		expect(backoffMs(3, () => 1)).toBe(4_000);
		expect(backoffMs(50, () => 1)).toBe(30_000);
		expect(backoffMs(50, () => 0)).toBe(15_000);
	});
});

describe("uuid7", () => {
	it("carries the given time, version and variant, and differs each time", () => {
		const ms = Date.parse("2026-11-22T08:00:00Z");

		const key = uuid7(ms);

		expect(key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
		expect(Number.parseInt(key.replaceAll("-", "").slice(0, 12), 16)).toBe(ms);
		expect(uuid7(ms)).not.toBe(key);
	});
});
