import { describe, expect, it } from "vitest";
import { allEmoji, COMMON, foundEmoji, nameAtCaret, toned } from "../src/lib/emoji";

async function found(query: string, language = "en", recent: string[] = []): Promise<string[]> {
	return foundEmoji(await allEmoji(language), query, recent, 8).map(({ char }) => char);
}

describe("the search for emoji", () => {
	it("finds short names first, then words", async () => {
		expect((await found("tada"))[0]).toBe("🎉");
		expect((await found("+1"))[0]).toBe("👍");
		expect((await found("rocket"))[0]).toBe("🚀");
		expect(await found("celebration")).toContain("🎉");
		expect(await found("red heart")).toContain("❤️");
		expect(await found("no such emoji")).toEqual([]);
	});

	it("finds Russian words for those who read Russian", async () => {
		expect(await found("ракета", "ru")).toContain("🚀");
		expect(await found("сердце", "ru")).toContain("❤️");
		expect(await found("ёжик", "ru")).toContain("🦔");
		expect((await found("tada", "ru"))[0]).toBe("🎉");
	});

	it("puts first what was used last, in whichever skin tone", async () => {
		expect((await found("smi", "en", ["😼"]))[0]).toBe("😼");
		expect((await found("wave", "en", ["🌊", "👋🏽"])).slice(0, 2)).toEqual(["🌊", "👋"]);
	});

	it("knows the common ones, and has no two of a kind", async () => {
		const chars = (await allEmoji("en")).map(({ char }) => char);

		expect(chars).toEqual(expect.arrayContaining(COMMON));
		expect(new Set(chars).size).toBe(chars.length);
	});
});

describe("skin tones", () => {
	it("change the whole emoji, and only those that have them", async () => {
		const all = new Map((await allEmoji("en")).map((emoji) => [emoji.char, emoji]));
		const in_ = (char: string, tone: number) => toned(all.get(char) as never, tone);

		expect(in_("👍", 5)).toBe("👍🏿");
		expect(in_("☝️", 1)).toBe("☝🏻");
		expect(in_("🏃‍♀️", 3)).toBe("🏃🏽‍♀️");
		expect(in_("👍", 0)).toBe("👍");
		expect(in_("🎉", 3)).toBe("🎉");
	});
});

describe("the name before the caret", () => {
	it.each([
		[":smi", { from: 0, name: "smi", ended: false }],
		["so (:smi", { from: 4, name: "smi", ended: false }],
		["**:smi", { from: 2, name: "smi", ended: false }],
		["one\n:улыб", { from: 4, name: "улыб", ended: false }],
		[":+1:", { from: 0, name: "+1", ended: true }],
		["at 12:30", null],
		["std::vector", null],
		["see: this", null],
		[":)", null],
		[":D", null],
		["`a :smi", null],
		["", null],
	])("%s", (text, expected) => {
		expect(nameAtCaret(text, text.length)).toEqual(expected);
	});
});
