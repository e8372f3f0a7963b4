import { afterEach, describe, expect, it, vi } from "vitest";
import { tokensOf } from "../src/lib/highlight-tokens";
import { type Asked, Highlighter, type Token } from "../src/lib/highlighter";

function shown(language: string, code: string): [string, string][] {
	return tokensOf(language, code).map(([from, to, kind]) => [code.slice(from, to), kind]);
}

describe("the tokens of code", () => {
	it("are those of the language that the block names", () => {
		expect(shown("python", 'def f(x):\n    return "a"  # why')).toEqual([
			["def", "keyword"],
			["f", "name"],
			["return", "keyword"],
			['"a"', "string"],
			["# why", "comment"],
		]);
		expect(shown("ts", "const n = 1;")).toEqual([
			["const", "keyword"],
			["1", "number"],
		]);
		expect(shown("SQL", "select 1")[0]).toEqual(["select", "keyword"]);
	});

	it("are none in a language that nobody knows", () => {
		expect(tokensOf("whatever", "def f(): 1")).toEqual([]);
	});

	it("are bounded and in order", () => {
		const tokens = tokensOf("json", `[${"1,".repeat(3_900)}1]`);

		expect(tokens.length).toBeLessThanOrEqual(2_000);
		for (let at = 1; at < tokens.length; at++)
			expect(tokens[at]?.[0]).toBeGreaterThanOrEqual(tokens[at - 1]?.[1] ?? 0);
	});

	// A search that backtracks without end would be stopped by the time-out of this test; the page ends its worker.
	it.each(["javascript", "typescript", "xml", "python", "bash", "cpp", "php", "swift", "rust"])(
		"are bounded in hostile %s",
		(language) => {
			for (const part of ["a", "(", "`${", "<a ", "/*"])
				expect(tokensOf(language, part.repeat(8_000 / part.length)).length).toBeLessThanOrEqual(2_000);
		},
	);
});

class FakeWorker {
	onmessage: (event: { data: unknown }) => void = () => {};
	onerror: () => void = () => {};
	asked: Asked[] = [];
	terminate = vi.fn();
	postMessage(asked: Asked): void {
		this.asked.push(asked);
	}
}

function highlighting() {
	const workers: FakeWorker[] = [];
	const highlighter = new Highlighter(() => {
		const worker = new FakeWorker();
		workers.push(worker);
		return worker as unknown as Worker;
	});
	return { highlighter, workers };
}

const TOKENS: Token[] = [[0, 1, "keyword"]];

describe("the thread that finds tokens", () => {
	afterEach(() => void vi.useRealTimers());

	it("gets one text at a time, once it is loaded, and each text once", async () => {
		const { highlighter, workers } = highlighting();
		const first = highlighter.tokens({ language: "js", code: "a" });
		const same = highlighter.tokens({ language: "js", code: "a" });
		const second = highlighter.tokens({ language: "js", code: "b" });
		const [worker] = workers as [FakeWorker];
		expect(worker.asked).toEqual([]);

		worker.onmessage({ data: "ready" });
		expect(worker.asked.map(({ code }) => code)).toEqual(["a"]);
		worker.onmessage({ data: TOKENS });
		worker.onmessage({ data: [] });

		expect(await Promise.all([first, same, second])).toEqual([TOKENS, TOKENS, []]);
		expect(worker.asked.map(({ code }) => code)).toEqual(["a", "b"]);
	});

	it("is ended when it takes too long: that text stays plain, the next has another", async () => {
		vi.useFakeTimers();
		const { highlighter, workers } = highlighting();
		const hanging = highlighter.tokens({ language: "js", code: "hangs" });
		const next = highlighter.tokens({ language: "js", code: "next" });
		workers[0]?.onmessage({ data: "ready" });

		vi.advanceTimersByTime(1_000);
		expect(workers[0]?.terminate).toHaveBeenCalledOnce();
		workers[1]?.onmessage({ data: "ready" });
		workers[1]?.onmessage({ data: TOKENS });

		expect(await hanging).toEqual([]);
		expect(await next).toEqual(TOKENS);
	});

	it("is given up after several such texts, or if it cannot be loaded", async () => {
		const { highlighter, workers } = highlighting();
		const asked = ["a", "b", "c", "d"].map((code) => highlighter.tokens({ language: "js", code }));

		for (let at = 0; at < 3; at++) workers[at]?.onerror();

		expect(await Promise.all(asked)).toEqual([[], [], [], []]);
		expect(workers.length).toBe(3);
	});
});
