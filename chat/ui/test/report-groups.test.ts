import { describe, expect, it } from "vitest";
import type { Report } from "../src/lib/moderation-rest";
import { byMessage, resolvingActs } from "../src/lib/report-groups";

const report = (id: number, seq: number, closed_at: string | null = null) =>
	({ id, seq, closed_at }) as Report;
const ids = (groups: Report[][]) => groups.map((group) => group.map(({ id }) => id));

describe("byMessage", () => {
	it("puts waiting reports of one message together, the oldest of them first", () => {
		expect(ids(byMessage([report(9, 5), report(8, 7), report(6, 5)]))).toEqual([[6, 9], [8]]);
	});

	it("keeps apart what was closed at different times", () => {
		expect(ids(byMessage([report(9, 5, "b"), report(8, 5, "a"), report(7, 5, "b")]))).toEqual([[7, 9], [8]]);
	});
});

describe("resolvingActs", () => {
	it("offers against the author what may be done to them", () => {
		expect(resolvingActs(["member.unmute", "member.remove", "member.ban"])).toEqual([
			"message.delete",
			"member.remove",
			"member.ban",
		]);
		expect(resolvingActs([])).toEqual(["message.delete"]);
	});

	it("can only keep out an author who is not in the room", () => {
		expect(resolvingActs(null)).toEqual(["message.delete", "member.ban"]);
	});
});
