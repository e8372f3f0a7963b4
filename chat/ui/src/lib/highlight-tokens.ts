import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import kotlin from "highlight.js/lib/languages/kotlin";
import makefile from "highlight.js/lib/languages/makefile";
import nginx from "highlight.js/lib/languages/nginx";
import php from "highlight.js/lib/languages/php";
import powershell from "highlight.js/lib/languages/powershell";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import swift from "highlight.js/lib/languages/swift";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import type { Kind, Token } from "./highlighter";

const LANGUAGES = {
	bash,
	c,
	cpp,
	csharp,
	css,
	diff,
	dockerfile,
	go,
	ini,
	java,
	javascript,
	json,
	kotlin,
	makefile,
	nginx,
	php,
	powershell,
	python,
	ruby,
	rust,
	sql,
	swift,
	typescript,
	xml,
	yaml,
};
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

/** What each scope of highlight.js is shown as; others are plain text. */
const KINDS: Record<string, Kind> = {
	keyword: "keyword",
	"selector-tag": "keyword",
	tag: "keyword",
	doctag: "keyword",
	string: "string",
	regexp: "string",
	char: "string",
	addition: "string",
	number: "number",
	literal: "number",
	symbol: "number",
	title: "name",
	section: "name",
	"selector-class": "name",
	"selector-id": "name",
	name: "name",
	type: "type",
	built_in: "type",
	attr: "type",
	attribute: "type",
	meta: "type",
	variable: "type",
	comment: "comment",
	quote: "comment",
	deletion: "deletion",
};
/** More are not worth the time that the page takes to show them; the rest stays plain. */
const MOST_TOKENS = 2_000;

interface Scope {
	readonly scope?: string;
	readonly children: readonly (Scope | string)[];
}

/** The parts of `code` that have a colour, in order and without overlap; none in an unknown language. */
export function tokensOf(language: string, code: string): Token[] {
	const name = language.toLowerCase();
	if (!hljs.getLanguage(name)) return [];
	const result = hljs.highlight(code, { language: name, ignoreIllegals: true });
	// Its tree is not in its types; lowlight is built on it as well.
	const { rootNode } = result._emitter as unknown as { rootNode: Scope };
	const tokens: Token[] = [];
	let at = 0;
	// No recursion: `<a <a <a …` is nested as deep as it is long.
	const rest: [Scope | string, Kind | null][] = [[rootNode, null]];
	for (let next = rest.pop(); next; next = rest.pop()) {
		const [node, outer] = next;
		if (typeof node === "string") {
			if (outer && tokens.length < MOST_TOKENS) tokens.push([at, at + node.length, outer]);
			at += node.length;
			continue;
		}
		const kind = KINDS[node.scope?.split(".")[0] ?? ""] ?? (node.scope === "subst" ? null : outer);
		for (const child of node.children.toReversed()) rest.push([child, kind]);
	}
	return tokens;
}
