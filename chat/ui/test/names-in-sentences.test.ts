import { describe, expect, it } from "vitest";
import { language, t } from "../src/lib/i18n/index.svelte";
import { shownName } from "../src/lib/state/people.svelte";

const NAME = "שרה!";
const ISOLATED = `\u2068${NAME}\u2069`;

describe.each(["en", "ru"] as const)("a name that reads from right to left, in %s", (code) => {
	it("does not turn the sentences that hold it", async () => {
		await language.choose(code);
		const words = t();

		for (const sentence of [
			words.deactivatedNotice(NAME),
			words.leaveSure(NAME),
			words.typingTwo("Anna", NAME),
			words.search.here(NAME),
			words.moderation.out.removed(NAME),
			words.moderation.done["member.ban"](NAME),
			...words.moderation.effect["member.mute"](NAME, "14:05"),
			words.moderation.queue.taken(NAME),
		].filter((one) => one.includes(NAME)))
			expect(sentence).toContain(ISOLATED);
		expect(words.moderation.done["member.ban"](NAME)).toContain(ISOLATED);
		expect(words.moderation.out.removed(NAME)).toContain(ISOLATED);
		expect(words.leaveSure("Anna")).not.toMatch(/[\u2066-\u2069]/);
	});
});

it("does not turn the user name beside it", () => {
	expect(shownName({ id: 1, username: "sara", name: NAME, ambiguous: true })).toBe(`${ISOLATED} @sara`);
});
