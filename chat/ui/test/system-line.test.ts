import { describe, expect, it } from "vitest";
import type { Item, SystemItem } from "../src/lib/client/history";
import { en } from "../src/lib/i18n/en";
import { ru } from "../src/lib/i18n/ru";
import { systemLine, wasPresent } from "../src/lib/system-line";

const nameOf = (user: number | null) => ({ 1: "Anna", 2: "Boris" })[user ?? 0] ?? "Veche";
const AT = "2026-11-20T10:00:00Z";

function system(type: string, data: Record<string, unknown>, actor: number | null = 1): SystemItem {
	return { kind: "system", seq: 9, n: 1, at: AT, type, actor, data };
}

describe("systemLine", () => {
	it.each([
		["member.removed", { user: 2 }, "Anna removed Boris"],
		["member.removed", { user: 2, banned: true }, "Anna banned Boris"],
		["member.removed", { user: 2, banned: false }, "Anna lifted the ban on Boris"],
		["member.joined", { user: 2, role: "member" }, "Anna added Boris"],
		["member.joined", { user: 2, role: "moderator" }, "Anna made Boris a moderator"],
		["room.updated", { slow_mode_seconds: 30 }, "Anna turned on slow mode: one message every 30 seconds"],
		["room.updated", { slow_mode_seconds: 0 }, "Anna turned slow mode off"],
	])("says what %s with %j was", (type, data, line) => {
		expect(systemLine(system(type, data), en, nameOf)).toBe(line);
	});

	it("tells another role from coming in", () => {
		const joined = system("member.joined", { user: 2, role: "member" });

		expect(systemLine(joined, en, nameOf, true)).toBe("Anna made Boris a member");
		expect(systemLine(joined, ru, nameOf, true)).toBe("Anna назначает роль «участник»: Boris");
	});
});

describe("wasPresent", () => {
	const message = { kind: "message", author: 2 } as Item;
	const removed = system("member.removed", { user: 2 });

	it("believes what the person wrote, until they went", () => {
		expect(wasPresent([message], 1, 2)).toBe(true);
		expect(wasPresent([message, removed], 2, 2)).toBe(false);
		expect(wasPresent([system("member.joined", { user: 2 })], 1, 2)).toBe(true);
		expect(wasPresent([message], 1, 3)).toBe(false);
	});
});
