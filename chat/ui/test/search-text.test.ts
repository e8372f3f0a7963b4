import { describe, expect, it } from "vitest";
import { operatorsIn, quoted, typingAt, without } from "../src/lib/search-text";

const typed = (text: string) => operatorsIn(text).map((one) => `${one.name} ${one.typed}`);

describe("operators of a search text", () => {
	it.each([
		["from:anna lunch in:#general", ["from from:anna", "in in:#general"]],
		['-From:"Anna K" x', ['from -From:"Anna K"']],
		["from:«Анна К»", ["from from:«Анна К»"]],
		['"from:anna" from: https://a.b -before:2026-01-01', []],
	])("are found in %s", (text, expected) => {
		expect(typed(text)).toEqual(expected);
	});

	it("are taken out without touching the rest", () => {
		const text = 'one from:"Anna K" two';
		const [first] = operatorsIn(text);
		expect(first && without(text, first)).toBe("one two");
	});

	it.each(['"', "from:", 'from:"', "a "])("are apart in a long text of %s", (part) => {
		const found = operatorsIn(part.repeat(500 / part.length));

		for (const [at, one] of found.entries())
			expect(one.start).toBeGreaterThanOrEqual(found[at - 1]?.end ?? 0);
	});
});

describe("the piece that is being typed", () => {
	it.each([
		["fr", { start: 0, minus: "", name: null, value: "fr" }],
		["lunch -has:li", { start: 6, minus: "-", name: "has", value: "li" }],
		['from:"Anna K', { start: 0, minus: "", name: "from", value: "Anna K" }],
		["in:", { start: 0, minus: "", name: "in", value: "" }],
	])("in %s", (text, expected) => {
		expect(typingAt(text, text.length)).toEqual(expected);
	});

	it.each(["", "lunch ", "4711", '"in quotes', "from:anna "])("is none in %s", (text) => {
		expect(typingAt(text, text.length)).toBeNull();
	});
});

it("quotes values with spaces", () => {
	expect([quoted("general"), quoted('a "b" c')]).toEqual(["general", '"a b c"']);
});
