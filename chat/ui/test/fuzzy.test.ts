import { expect, test } from "vitest";
import { ranked } from "../src/lib/fuzzy";

const names = ["General", "Backend team", "Back office", "Ёлка и праздники", "Café", "Anna Petrova"];
const find = (query: string) => ranked(query, names, (name) => [name]);

test("words are found in any order, by beginnings, inside words and by their letters in order", () => {
	expect(find("petrova anna")).toEqual(["Anna Petrova"]);
	expect(find("back")).toEqual(["Back office", "Backend team"]);
	expect(find("ffic")).toEqual(["Back office"]);
	expect(find("gnrl")).toEqual(["General"]);
	expect(find("#gen")).toEqual(["General"]);
});

test("case, accents and ё make no difference", () => {
	expect(find("елка")).toEqual(["Ёлка и праздники"]);
	expect(find("CAFE")).toEqual(["Café"]);
});

test("nothing typed leaves the order, and what matches nothing is not found", () => {
	expect(find("  ")).toEqual(names);
	expect(find("xyz")).toEqual([]);
});

test("what the server has found stays, behind what fits", () => {
	const found = ranked(
		"gen",
		names,
		(name) => [name],
		(name) => name === "Café",
	);
	expect(found).toEqual(["General", "Café"]);
});
