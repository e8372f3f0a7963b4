import { describe, expect, it } from "vitest";
import { toHtml } from "../src/lib/markdown";
import { continued, difference, type Format, formatted, linked, type Selected } from "../src/lib/text-format";

/** A field in which `[` and `]` stand at the ends of what is selected, or `|` at the caret. */
function field(shown: string): Selected {
	const at = shown.search(/[⟦|]/);
	if (shown[at] === "|") return { text: shown.replace("|", ""), start: at, end: at };
	const text = shown.replace("⟦", "").replace("⟧", "");
	return { text, start: at, end: shown.indexOf("⟧") - 1 };
}

function shown({ text, start, end }: Selected): string {
	if (start === end) return `${text.slice(0, start)}|${text.slice(start)}`;
	return `${text.slice(0, start)}⟦${text.slice(start, end)}⟧${text.slice(end)}`;
}

const made = (text: string, format: Format) => shown(formatted(field(text), format));

describe("formatting what is selected", () => {
	it.each<[Format, string, string]>([
		["bold", "say ⟦this⟧ now", "say **⟦this⟧** now"],
		["bold", "say **⟦this⟧** now", "say ⟦this⟧ now"],
		["bold", "say ⟦**this**⟧ now", "say ⟦this⟧ now"],
		["bold", "say *⟦this⟧* now", "say ***⟦this⟧*** now"],
		["bold", "say ***⟦this⟧*** now", "say *⟦this⟧* now"],
		["bold", "say ~~**⟦this⟧**~~", "say ~~⟦this⟧~~"],
		["bold", "say⟦ this ⟧now", "say **⟦this⟧** now"],
		["bold", "`⟦this⟧`", "**`⟦this⟧`**"],
		["bold", "half a w⟦or⟧d", "half a **⟦word⟧**"],
		["italic", "⟦оба слова⟧", "*⟦оба слова⟧*"],
		["italic", "**⟦this⟧**", "***⟦this⟧***"],
		["italic", "_⟦this⟧_", "⟦this⟧"],
		["strike", "⟦gone⟧", "~~⟦gone⟧~~"],
		["strike", "~~⟦gone⟧~~", "⟦gone⟧"],
		["code", "⟦a = b⟧", "`⟦a = b⟧`"],
		["code", "⟦a ` b⟧", "``⟦a ` b⟧``"],
		["code", "``⟦a ` b⟧``", "⟦a ` b⟧"],
		["code", "⟦a\nb⟧", "```\n⟦a\nb⟧\n```"],
	])("%s: %s", (format, before, expected) => {
		expect(made(before, format)).toBe(expected);
	});

	it("takes the word at the caret, or leaves the caret between marks", () => {
		expect(made("some wo|rd here", "bold")).toBe("some **⟦word⟧** here");
		expect(made("to come: |", "bold")).toBe("to come: **|**");
		expect(made("to come: **|**", "bold")).toBe("to come: |");
		expect(made("**|**", "italic")).toBe("***|***");
	});

	it("marks each line by itself, beside the marks of lists, and unmarks only what is all marked", () => {
		expect(made("⟦- one\n- **two**\n\n> three⟧", "bold")).toBe("- **⟦one**\n- **two**\n\n> **three⟧**");
		expect(made("- **⟦one**\n- **two**\n\n> **three⟧**", "bold")).toBe("- ⟦one\n- two\n\n> three⟧");
	});

	it.each<[Format, string]>([
		["bold", "<strong>"],
		["italic", "<em>"],
		["strike", "<s>"],
		["code", "<code"],
		["codeBlock", "<pre"],
		["quote", "<blockquote"],
		["bullets", "<ul"],
		["numbers", "<ol"],
	])("shows %s as such", (format, tag) => {
		for (const text of ["⟦word⟧", "w⟦or⟧d", "⟦слово и дело⟧", "⟦(word)!⟧", "⟦2*3⟧"]) {
			const { text: written } = formatted(field(text), format);
			expect(toHtml(written).html).toContain(tag);
		}
	});
});

describe("formatting whole lines", () => {
	it.each<[Format, string, string]>([
		["quote", "one\nt|wo", "one\n> t|wo"],
		["quote", "> t|wo", "t|wo"],
		["quote", "|", "> |"],
		["quote", "⟦one\n\ntwo⟧", "⟦> one\n>\n> two⟧"],
		["quote", "⟦> one\n>\n> two⟧", "⟦one\n\ntwo⟧"],
		["bullets", "⟦one\ntwo\n⟧three", "⟦- one\n- two⟧\nthree"],
		["bullets", "⟦1. one\n2. two⟧", "⟦- one\n- two⟧"],
		["bullets", "- o|ne", "o|ne"],
		["numbers", "⟦one\n\n  two⟧", "⟦1. one\n\n  2. two⟧"],
		["numbers", "|", "1. |"],
		["tasks", "⟦- one\ntwo⟧", "⟦- [ ] one\n- [ ] two⟧"],
		["tasks", "⟦- [x] one\n- [ ] two⟧", "⟦one\ntwo⟧"],
		["codeBlock", "|", "```\n|\n```"],
		["codeBlock", "⟦a\n```\nb⟧", "````\n⟦a\n```\nb⟧\n````"],
		["codeBlock", "```\n⟦a\nb⟧\n```", "⟦a\nb⟧"],
		["codeBlock", "⟦```js\na\n```⟧", "⟦a⟧"],
	])("%s: %j", (format, before, expected) => {
		expect(made(before, format)).toBe(expected);
	});
});

describe("links", () => {
	it.each([
		["see ⟦the page⟧", "see [the page](⟦https://⟧)"],
		["see th|is", "see [this](⟦https://⟧)"],
		["see |", "see [|](https://)"],
		["⟦https://example.com/a⟧", "[|](https://example.com/a)"],
		["see [⟦the page⟧](https://example.com)", "see ⟦the page⟧"],
		["see ⟦[the page](https://example.com)⟧", "see ⟦the page⟧"],
	])("%s", (before, expected) => {
		expect(made(before, "link")).toBe(expected);
	});

	it("makes a link of words over which an address is pasted", () => {
		const pasted = (text: string, address: string) => {
			const result = linked(field(text), address);
			return result && shown(result);
		};

		expect(pasted("see ⟦the page⟧!", "https://example.com/a")).toBe(
			"see [the page](https://example.com/a)|!",
		);
		expect(pasted("see ⟦the page⟧", "two words")).toBeNull();
		expect(pasted("see |", "https://example.com/a")).toBeNull();
		expect(pasted("see ⟦http://old.example⟧", "https://example.com/a")).toBeNull();
		expect(pasted("⟦a\nb⟧", "https://example.com/a")).toBeNull();
	});
});

describe("a new line", () => {
	it.each([
		["- one|", "- one\n- |"],
		["  * one|", "  * one\n  * |"],
		["9. o|ne", "9. o\n10. |ne"],
		["- [x] done|", "- [x] done\n- [ ] |"],
		["> said|", "> said\n> |"],
		["- one\n- |", "- one\n|"],
		["- one\n- [ ] |", "- one\n|"],
	])("goes on with %j, or ends it", (before, expected) => {
		const result = continued(field(before));

		expect(result && shown(result)).toBe(expected);
	});

	it("is only a new line elsewhere", () => {
		for (const text of ["one|", "|", "- o⟦n⟧e", "```\n- one|\n```", "|- one"])
			expect(continued(field(text))).toBeNull();
	});
});

describe("what a change puts in place of what", () => {
	it("is as little as possible", () => {
		expect(difference("say this now", "say **this** now")).toEqual({ from: 4, to: 8, insert: "**this**" });
		expect(difference("aa", "aaa")).toEqual({ from: 2, to: 2, insert: "a" });
		expect(difference("aaa", "aa")).toEqual({ from: 2, to: 3, insert: "" });
		expect(difference("same", "same")).toEqual({ from: 4, to: 4, insert: "" });
	});
});
