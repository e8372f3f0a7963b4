/**
 * Texts that are expensive for a Markdown renderer, each as long as a message may be.
 *
 * Taken from the test suites and issue trackers of cmark, markdown-it, micromark and linkify-it, and from places where
 * our renderer does something more than once. `bench/rendering.py` measures them in a browser.
 */

const LENGTH = 8_000;

/** `unit` repeated between `head` and `tail`. */
function fill(unit: string, head = "", tail = ""): string {
	return head + unit.repeat(Math.floor((LENGTH - head.length - tail.length) / unit.length)) + tail;
}

/** As many of the parts as fit. */
function parts(count: number, part: (at: number) => string, between = "\n"): string {
	return Array.from({ length: count }, (_, at) => part(at))
		.join(between)
		.slice(0, LENGTH);
}

function table(columns: number, rows: number, row = "|"): string {
	return `${"a|".repeat(columns)}\n${"-|".repeat(columns)}\n${`${row}\n`.repeat(rows)}`;
}

function within(open: string, close: string, times: number, what = "a"): string {
	return open.repeat(times) + what + close.repeat(times);
}

/** Units to repeat: every character that some rule examines, and some combinations. */
const UNITS = (
	'[|]|![|[](|[a](x|[a](<|[a](http://a "|[](a "|[](a \'|[](a (|](|](x)|[a][a]|[]: |<|<a|<a:|<b>|<!--|<?|</|' +
	"<http://a>|<a@b.c>|&|&amp;|&#x1F600;|&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|*|**a |*a **b |*a _b |a**b|_|a_|~~|~~a|" +
	"~~a *b **c _d |`|`a``b|\\|\\a|:|://|a://|//|//a.b |(//a|http://|http://a |http://a/|http://a,|http://a/[|" +
	"http://a/(|http://a/'|http://a/\"|http://a/([{|http://a/[[[[|https://a.b/#|ftp://a/|ftp://a |ftp://a/b,|//ftp:|" +
	"xftp://a|www.|www.a.b |www.a/[[[|mailto:|mailto:a@b |a@b.c |a@|> |>|- |1. |+ |- > |#|# |\t| "
).split("|");
const LINES =
	"a|a  |- a|1. a|* a\n|# a|#|---|***|```|~~~\n|> a\n|>|[a|[a]: http://a|[a]:\nhttp://a\n'a|[a]: http://a '|a\\|\\|".split(
		"|",
	);

export const PATHOLOGICAL: Record<string, string> = {
	...Object.fromEntries(UNITS.map((unit) => [`${JSON.stringify(unit)} on one line`, fill(unit)])),
	...Object.fromEntries(LINES.map((line) => [`${JSON.stringify(line)} line after line`, fill(`${line}\n`)])),
	"pipes on one line": fill("|"),
	"pipes line after line": fill("|\n"),
	"five tables of bare pipes": parts(5, () => table(181, 362)),
	"a table of bare pipes": table(60, 3_800).slice(0, LENGTH),
	"a wide table": table(1_000, 2_000).slice(0, LENGTH),
	"a table of full rows": table(20, 180, "a|".repeat(20)).slice(0, LENGTH),
	"small tables": fill("a|a\n-|-\n"),
	"smallest tables": fill("|a\n-|\n"),
	"escaped pipes in a table": fill("\\|", "a|a\n-|-\n"),
	"tables in lists": fill("|\n", "- ".repeat(40)),
	"brackets in brackets": within("[", "]", 3_999),
	"brackets in brackets, 50 deep": fill(within("[", "]", 50, "")),
	"brackets in brackets, 95 deep": fill(within("[", "]", 95, "")),
	"brackets in brackets with a definition": `[x]: http://x\n\n${within("[", "]", 3_990)}`,
	"labels in labels with a definition": fill(within("[", "a]", 95, ""), "[x]: http://x\n\n"),
	"many closing links": "[".repeat(2_000) + "](a)".repeat(1_500),
	"stars around a letter": within("*", "*", 3_999),
	"stars and underscores around a letter": within("*_", "_*", 1_999),
	"tildes around a letter": within("~~", "~~", 1_999),
	"emphasis opened and closed": "*a ".repeat(1_300) + " a*".repeat(1_300),
	"longer and longer backticks": parts(125, (at) => "`".repeat(at + 1), " "),
	"shorter and shorter backticks": parts(120, (at) => "`".repeat(120 - at), " "),
	"quotes in quotes": fill(">", "", "a"),
	"quotes in quotes, line after line": parts(80, () => `${">".repeat(95)}a`),
	"deeper and deeper quotes": parts(120, (at) => `${">".repeat(at)}a`),
	"lazy lines of a deep quote": fill("a\n", ">".repeat(95)),
	"lists in lists": fill("- ", "", "a"),
	"lists in lists, line after line": parts(88, (at) => `${"  ".repeat(at)}- a`),
	"numbers in lists in quotes": parts(80, (at) => `${"> 1. ".repeat(at)}a`),
	"lazy lines of a deep list": fill("a\n", "- ".repeat(45)),
	"lists in a deep quote": fill("- a\n", "> ".repeat(40)),
	"quotes and lists in turn": parts(60, (at) => `${"> ".repeat(at)}- a`),
	"a label that never ends": fill("a\n", "["),
	"labels of all lengths": parts(125, (at) => `[${"a".repeat(at)}]: http://a`),
	"long names of hosts": fill(`http://${"a".repeat(60)}.${"b".repeat(60)}.`),
	"names of hosts that end badly": fill(`http://${`${"a".repeat(62)}.`.repeat(10)}_ `),
	"a host of many parts": `http://${"a.".repeat(3_900)}`,
	"brackets in an address": `http://a/${"[".repeat(7_900)}`,
	"pairs of brackets in an address": `http://a/${"[a]".repeat(2_600)}`,
	"uneven brackets in an address": `http://a/${"[[[[a]]]".repeat(980)}`,
	"a long address": `http://a/${"a".repeat(7_990)}`,
	"a long address of percent signs": `http://a/${"%".repeat(7_990)}`,
	"a long Cyrillic address": `http://a/${"я".repeat(7_990)}`,
	"opened links with schemes": fill("http://", "", "a"),
	"combining marks": fill("\u0301", "a"),
	emoji: "🎉".repeat(LENGTH),
	"joined emoji": fill("👩\u200d"),
	"controls that turn the direction": fill("\u202ea\u202c"),
	"nul characters": fill("\0"),
	"carriage returns": fill("a\r"),
	"line separators": fill("a\u2028"),
	"signs with a direction at last": fill("*#* ", "", "a").slice(0, 3_960),
	"numbers line after line": "1\n".repeat(1_450),
	"numbers in a quote": "> 1\n".repeat(1_450),
	"numbers in a list": "- *1* *1* *1*\n".repeat(300),
	"numbers in a table": `|1|2|3|\n|-|-|-|\n${"|1|2|3|\n".repeat(400)}`,
	"signs in a link": `[${"*#* ".repeat(900)}](http://a)`,
	"lines of bare marks": "---\n".repeat(1_450),
	"one long word": fill("a"),
	spaces: fill(" ", "a", "b"),
};

/** Texts composed at random from Markdown's syntax; the same texts for the same `seed`. */
export function* generated(count: number, seed: number): Generator<string> {
	const random = randomFrom(seed);
	const one = <T>(from: T[]): T => from[Math.floor(random() * from.length)] as T;
	const pieces = [
		...UNITS,
		...LINES.map((line) => `${line}\n`),
		"\n",
		"\n\n",
		"|\n",
		"a|b\n-|-\n",
		"  ",
		"    ",
		"я",
		"🎉",
	];
	for (let made = 0; made < count; made++) {
		let text = "";
		while (text.length < LENGTH) {
			// Mostly a few pieces many times over: repetition is what takes long.
			const unit = Array.from({ length: 1 + Math.floor(random() * 4) }, () => one(pieces)).join("");
			text += unit.repeat(1 + Math.floor(random() ** 3 * (LENGTH / unit.length)));
		}
		yield text.slice(0, LENGTH);
	}
}

export function randomFrom(seed: number): () => number {
	let state = seed;
	return () => {
		// mulberry32
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** Long, but realistic: all of it must be formatted. */
export const HONEST: Record<string, string> = {
	"a table":
		`| Name | Value | Note |\n|---|--:|:--|\n${parts(200, (at) => `| parameter ${at} | ${at * 7} | as \`measured\` |`)}`.slice(
			0,
			7_995,
		),
	"a log in a code block": `\`\`\`\n${fill('2026-11-20 10:00:00 [web-1] <info> a_b_c: {"x": [1, 2]} > done\n').slice(0, 7_900)}\n\`\`\``,
	"a log without one": fill('2026-11-20 10:00:00 [web-1] <info> a_b_c: {"x": [1, 2]} > done\n'),
	"a letter": fill(
		"Dear all, **please** read [the page](https://example.org/page?id=1) and _answer_ by `Friday`.\n\n",
	),
	"a list of lists": fill("- one\n  - two\n    1. three\n    2. four\n      - five\n"),
	"a program": fill(
		'def a_b(c_d: list[int]) -> dict[str, int]:\n    return {f"{x}": x ** 2 for x in c_d if x > 0}\n\n',
	),
	"a quoted mail": fill(
		"> > > He wrote this line, which is long enough.\n> > She answered.\n> So did I.\n\n",
	),
	"a list of addresses": fill("https://example.org/a/b?c=d#e and www.example.org\n"),
	"addresses that are no links": fill("ftp://example.org/a and //example.org/b\n"),
	"Russian prose": fill("Вече собиралось на площади; *каждый* мог сказать своё слово.\n"),
};
