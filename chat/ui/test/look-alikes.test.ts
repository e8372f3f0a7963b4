import { describe, expect, it } from "vitest";
import { lookingAlike, skeletons } from "../src/lib/look-alikes";

function alike(one: string, other: string): boolean {
	return (
		lookingAlike([
			{ id: 1, name: one },
			{ id: 2, name: other },
		]).length > 0
	);
}

describe("names of rooms", () => {
	it.each([
		["Plans", "Plans"],
		["Plans", "PLANS"],
		["General", "GeneraI"], // a capital i
		["General", "Genera1"],
		["coco", "сосо"], // Cyrillic
		["BBC", "ВВС"], // Cyrillic capitals
		["modern", "rnodern"],
		["Zoë", "zoe"],
		["Plans", "Ｐｌａｎｓ"],
		["Plans", "Plans!"],
		["ИВАН", "иван"],
	])("%s looks like %s", (one, other) => {
		expect(alike(one, other)).toBe(true);
	});

	it.each([
		["Plans", "Plants"],
		["Анна", "Инна"],
		["🔥", "🌟"],
		["李", "王"],
		["Роман", "Рома"],
	])("%s does not look like %s", (one, other) => {
		expect(alike(one, other)).toBe(false);
	});

	it("names the rooms that look alike, and a room is not like itself", () => {
		const rooms = [
			{ id: 3, name: "coco" },
			{ id: 1, name: "сосо" },
			{ id: 2, name: "Plans" },
			{ id: 2, name: "Plans" },
		];
		expect(lookingAlike(rooms)).toEqual([1, 3]);
	});

	it("leaves no skeleton empty", () => {
		for (const name of ["...", "🔥", "́", "a"])
			for (const found of skeletons(name)) expect(found).not.toBe("");
	});
});
