// DOMPurify does not run on happy-dom.
// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { isolated } from "../src/lib/format";
import { renderMarkdown, toHtml } from "../src/lib/markdown";
import { randomFrom } from "./pathological";

function parsed(source: string): HTMLElement {
	const element = document.createElement("div");
	element.innerHTML = renderMarkdown(source).html ?? "";
	return element;
}

function shape(source: string): string[] {
	return [...parsed(source).children].map((child) => `${child.tagName.toLowerCase()} ${child.textContent}`);
}

/** The same before sanitising, which is slow on jsdom; now and then the test checks that sanitising removes nothing. */
function made(source: string, at: number): HTMLElement {
	const element = document.createElement("div");
	element.innerHTML = toHtml(source).html ?? "";
	if (at % 20 === 0) expect(parsed(source).textContent).toBe(element.textContent);
	return element;
}

const EMPHASIS: Record<string, string> = { EM: "*", STRONG: "**", S: "~~", CODE: "`" };

/** One way of typing this text; tables, quotes and horizontal rules without marks. */
function typed(node: Node): string {
	if (node.nodeType === Node.TEXT_NODE) return node.nodeValue ?? "";
	const inner = [...node.childNodes].map(typed).join("");
	if (!(node instanceof HTMLElement)) return inner;
	const sign = EMPHASIS[node.tagName];
	if (node.tagName === "PRE")
		return `\`\`\`${node.dataset.language ?? ""}${[...node.childNodes].map((one) => one.textContent).join("")}\`\`\``;
	if (sign) return sign + inner + sign;
	if (/^H\d$/.test(node.tagName)) return "#".repeat(Number(node.tagName[1])) + inner;
	if (node.tagName === "A" && node.dir === "auto") return `[${inner}](${node.getAttribute("href")})`;
	if (node.tagName === "LI")
		return node.parentElement?.tagName === "OL"
			? `${node.getAttribute("value")}${node.parentElement.dataset.mark ?? "."}${inner}`
			: `-${inner}`;
	return inner;
}

/** `text` without spaces; `_` and `*` mean the same, and longer fences as much as short ones. */
function comparable(text: string): string {
	return text.replace(/\s/g, "").replaceAll("_", "*");
}

describe("task lists", () => {
	it("have boxes that say what is done", () => {
		const items = [
			...parsed("- [ ] buy **milk**\n- [x] bread\n- [ ](no) box\n1. [X] third").querySelectorAll("li"),
		];

		expect(items.map((item) => item.querySelector("input")?.checked)).toEqual([false, true, undefined, true]);
		expect(items.map((item) => item.textContent?.trim())).toEqual([
			"buy milk",
			"bread",
			"[ ](no) box",
			"third",
		]);
		for (const item of items.slice(0, 2)) {
			expect(item.querySelector("input")?.disabled).toBe(true);
			expect(item.querySelector("label")?.textContent?.trim()).toBe(item.textContent?.trim());
		}
	});

	it("are only lists, with a text after the box", () => {
		for (const text of ["[ ] no list", "- [ ]", "- [y] what", "- [x]y", "> [x] said"])
			expect(parsed(text).querySelector("input")).toBeNull();
	});
});

describe("what is typed", () => {
	it.each([
		..."+ - * # > >> ** *** ___ --- ~~~ ``` ` | || [] [x] [x]() ![] &nbsp; &lt; &amp;copy; <b> <!-- // ~~ ~~~~".split(
			" ",
		),
		"+ 1",
		"- ",
		"1.",
		"1)",
		"1986. A great year",
		"007. Bond",
		"[1]: https://example.com",
		"[](https://example.com)",
		"![](https://example.com/x.png)",
		"![x](https://example.com/x.png)",
		'[x](https://example.com "title")',
		"<https://example.com>",
		"\\\\srv\\share\\_x",
		"C:\\*.*",
		"\\(^o^)/",
		"¯\\_(ツ)_/¯",
		"__init__.py",
		"__init__",
		"2*3*4",
		"2**3**4",
		"snake_case_*",
		"**/*.py *.js",
		"/*comment*/",
		".*foo.*",
		"f****ing ****",
		"*_* ^_^ *-* >_< >:( >5",
		"don`t, it`s",
		"` `",
		"# #",
		"~~~ so nice ~~~",
		"```\n```",
		"a\\\nb",
		"https://example.com/* and https://example.org/*",
		"https://user:pass@example.com/x",
		"https://example.com/%D0%B0",
		"* * *",
	])("stays: %s", (source) => {
		const shown = [...parsed(source).querySelectorAll("h1")].map(() => "#").join("");
		const bullets = "*".repeat(parsed(source).querySelectorAll("li").length);

		expect((shown + bullets + (parsed(source).textContent ?? "")).replace(/\s/g, "")).toBe(
			source.replace(/\s/g, ""),
		);
	});

	it("is shown to the last character, but for marks which become formatting", () => {
		const random = randomFrom(20_261_130);
		const one = <T>(from: T[]): T => from[Math.floor(random() * from.length)] as T;
		const pieces = (
			"a|b c|слово|語|שלום|🎉|7|.|,|!|?|(|)|[|]|[x](https://a.org/y)|](|*|**|***|_|__|~~|~|`|``|\\|\\*|&amp;|&|<|>|" +
			"<b>|:|;|/|=|+|-|#|@|x_y|a*b|https://a.org/b_c*|www.a.org/|{|}|'|\"|^|$|%| | |\t"
		).split("|");
		const starts = [
			"",
			"",
			"",
			"- ",
			"-",
			"+ ",
			"# ",
			"## ",
			"#",
			"1. ",
			"2) ",
			"12. ",
			"007. ",
			"2024. ",
			"```",
			"  ",
		];
		for (let at = 0; at < 2_000; at++) {
			const source = Array.from({ length: 1 + Math.floor(random() * 4) }, () => {
				const words = Array.from({ length: Math.floor(random() * 8) }, () => one(pieces)).join("");
				// The start of a quote, a rule or a table cannot be told from the characters of the text below.
				return one(starts) + words.replace(/^[>|* ]+/, "");
			}).join(one(["\n", "\n\n"]));
			const text = made(source.trim(), at);
			if (text.querySelector("hr, table, blockquote")) continue;

			// An unclosed block of code ends with the text, and longer marks of code count as one.
			const ticks = (written: string) => comparable(written).replace(/`+/g, "");
			expect(ticks(typed(text)), source).toBe(ticks(source));
		}
	}, 60_000);

	it("keeps all but the marks of quotes and tables too", () => {
		const random = randomFrom(7);
		const one = <T>(from: T[]): T => from[Math.floor(random() * from.length)] as T;
		const pieces = "a|я|1|語|!|(|)|**|_|\\|&lt;|<|>|/|=|:(".split("|").concat("|", " | ", "\\|");
		const starts = ["", "> ", ">", "> > ", ">> - ", "- > ", "|", "-|-", "---", "|-|-|", "a|b"];
		for (let at = 0; at < 2_000; at++) {
			const source = Array.from(
				{ length: 1 + Math.floor(random() * 5) },
				() => one(starts) + Array.from({ length: Math.floor(random() * 5) }, () => one(pieces)).join(""),
			).join("\n");
			const left = (text: string) => text.replace(/[\s>|:*_~`\\-]/g, "");

			expect(left(typed(made(source, at))), source).toBe(left(source));
		}
	}, 60_000);
});

describe("lists", () => {
	it("have the numbers that were typed", () => {
		const numbers = (source: string) => [...parsed(source).querySelectorAll("li")].map((item) => item.value);

		expect(numbers("10. ноября")).toEqual([10]);
		expect(numbers("1. a\n2. b\n4. c\n5. d")).toEqual([1, 2, 4, 5]);
		expect(numbers("3) a\n1) b\n0) c")).toEqual([3, 1, 0]);
		expect(parsed("10. a").querySelector("ol")?.start).toBe(10);
		expect(parsed("1) a").querySelector("ol")?.dataset.mark).toBe(")");
	});

	it("end with a line that is not indented, as a quote does with its answer", () => {
		expect(shape("- a\ntext")).toEqual(["ul a", "p text"]);
		expect(shape("1. a\n   b\ntext")).toEqual([
			"ol a\nb".replace("\n", parsed("1. a\n   b").textContent?.[1] ?? ""),
			"p text",
		]);
		expect(shape("> question\nanswer")).toEqual(["blockquote question", "p answer"]);
		expect(shape("> - a\n> b\nc")).toEqual(["blockquote ab", "p c"]);
		expect(shape("> > a\n> b\nc")).toEqual(["blockquote ab", "p c"]);
		expect(shape("- > a\nb")).toEqual(["ul a", "p b"]);
	});
});

describe("formatting", () => {
	it.each([
		["*a* **b** ***c*** _d_ ~~e~~", "em strong em strong em s"],
		['**a**, *b*. (_c_) "**d**": **-50%**!', "strong em em strong strong"],
		["这是**重点**内容", "strong"],
		["**https://example.com**", "strong a"],
		["*a **b** c*", "em strong"],
		["`a*b*` ``c`d``", "code code"],
	])("is there for %s", (source, tags) => {
		const found = [...parsed(source).querySelectorAll("p *")].map((one) => one.tagName.toLowerCase());

		expect(found.join(" ")).toBe(tags);
	});

	it("tells the language of code, and takes what is none for code", () => {
		expect(parsed("```js\nx\n```").querySelector("pre")?.dataset.language).toBe("js");
		expect(parsed("```SELECT 1\n```").querySelector("code")?.textContent).toBe("SELECT 1\n");
	});

	it("turns blocks as their letters do, and never code or addresses", () => {
		const text = parsed(
			"שלום\n\n- a\n\n> b\n\n```\nx\n```\n\n`x` https://example.com [a](https://example.com)",
		);

		expect([...text.children].map((block) => block.getAttribute("dir"))).toEqual([
			"auto",
			"auto",
			"auto",
			"ltr",
			"auto",
		]);
		expect([...text.querySelectorAll("p > *")].map((one) => one.getAttribute("dir"))).toEqual([
			"ltr",
			"ltr",
			"auto",
		]);
		expect(isolated("Anna")).toBe("Anna");
		expect(isolated("דנה")).toBe("\u2068דנה\u2069");
	});

	it("says how a block turns where its first letter comes late or never", () => {
		const turned = (text: string) => parsed(text).firstElementChild?.getAttribute("dir");

		expect(turned("1, 2, 3: один")).toBe("auto");
		expect(turned(`${"1\n".repeat(150)}שלום`)).toBe("rtl");
		expect(turned(`${"1\n".repeat(150)}\u{1e900}`)).toBe("rtl");
		expect(turned(`${"1\n".repeat(150)}один`)).toBe("ltr");
		expect(turned("1\n".repeat(150))).toBe("ltr");
		// Code and links have their own directions, and do not decide that of the line.
		expect(turned(`\`x\` [x](https://example.com) ${"*1* ".repeat(150)} שלום`)).toBe("rtl");
		expect(turned(`| 1 |\n|---|\n${"| *1* 2 |\n".repeat(150)}| שלום |`)).toBe("rtl");
		expect(parsed(`[${"*1* ".repeat(150)} שלום](https://example.com)`).querySelector("a")?.dir).toBe("rtl");
	});

	it("gives way to plain text where it would leave no room", () => {
		expect(renderMarkdown(`${"- ".repeat(45)}a`).html).toBeNull();
		expect(renderMarkdown(`${"> ".repeat(99)}a`).html).toBeNull();
		expect(renderMarkdown(`${"- ".repeat(5)}a`).html).not.toBeNull();
	});
});

describe("links", () => {
	const shown = (source: string) => [...parsed(source).querySelectorAll("a")].map((link) => link.textContent);
	const leads = (source: string) =>
		[...parsed(source).querySelectorAll("a")].map((link) => new URL(link.href).hostname);

	it.each([
		["https://аррӏе.com/", "https://xn--80ak6aa92e.com/"],
		["https://xn--80ak6aa92e.com/", "https://xn--80ak6aa92e.com/"],
		["https://gоogle.com", "https://xn--gogle-jye.com"],
		["https://ѕоѕ.com", "https://xn--n1a9bb.com"],
		["https://goo\u200bgle.com", "https://google.com"],
		["https://ｇｏｏｇｌｅ.com", "https://google.com"],
		["https://аррое.рф", "https://аррое.рф"],
		["https://пример.рф/путь", "https://пример.рф/путь"],
		["https://bücher.de", "https://bücher.de"],
		["https://例え.jp", "https://例え.jp"],
	])("shows %s as %s", (source, text) => {
		expect(shown(source)).toEqual([text]);
	});

	it.each([
		"https://user:pass@example.com/x",
		"https://accounts.example.com@evil.example/",
		`https://${"a".repeat(80)}@evil.example/`,
		"https://accounts.example.com:443@evil.example/",
		"www.example.com@evil.example",
		"[x](https://user@evil.example)",
	])("makes none of %s", (source) => {
		expect(leads(source)).toEqual([]);
		expect(parsed(source).textContent?.trim()).toBe(source);
	});

	it.each([
		"[bank.com](https://evil.example)",
		"[https://bank.com/login](https://evil.example)",
		"[www.bank.com](https://evil.example)",
		"[**bank.com**](https://evil.example/bank.com)",
		"[ba\u200bnk.com](https://evil.example)",
		"[bank․com](https://evil.example)",
		"[bаnk.com](https://bank.com)",
		"[bank.com](https://bank.com.evil.example)",
		"[me@bank.com](mailto:me@evil.example)",
	])("does not hide where %s leads", (source) => {
		for (const link of parsed(source).querySelectorAll("a")) {
			const text = link.textContent ?? "";
			expect(new URL(text.includes(":") ? text : `http://${text}`).href).toBe(new URL(link.href).href);
		}
		expect(parsed(source).textContent).toContain("](");
	});

	it("may name the host they lead to, or none", () => {
		for (const source of [
			"[example.com](https://www.example.com/x)",
			"[https://example.com/a](https://example.com/a)",
			"[me@example.com](mailto:me@example.com)",
			"[report.pdf](https://example.com)",
			"[Node.js, e.g. 3.5](https://example.com)",
			"[the page](https://example.com)",
		])
			expect(shown(source), source).toEqual([source.slice(1, source.indexOf("]"))]);
	});

	it("end where the address does", () => {
		expect(shown("https://example.com/* x")).toEqual(["https://example.com/*"]);
		expect(shown("_https://example.com/a_b_")).toEqual(["https://example.com/a_b"]);
	});
});
