import { describe, expect, it } from "vitest";
import type { Item } from "../src/lib/client/history";
import type { OutboxItem } from "../src/lib/client/outbox-store";
import { asMessage, changesByTarget, overlaid, ownKeys, unsentMessages } from "../src/lib/overlay";
import { buildRows, keepingSame } from "../src/lib/rows";
import { message } from "./examples";

function waiting(intent: OutboxItem["intent"]): OutboxItem {
	return { id: JSON.stringify(intent), intent, key: null, createdAt: 0, failed: null };
}

const shape = (items: Item[], firstNew: number | null = null) =>
	buildRows(items, firstNew).map((row) =>
		row.kind === "message" ? `${row.first ? "first" : "next"} ${row.item.seq}` : row.kind,
	);

describe("rows", () => {
	it("stay the same objects while what they show does, so that few are drawn again", () => {
		const items = [message(1), message(2, { author: 3 }), message(3, { author: 3 })];
		const before = buildRows(items, null);
		const edited = message(2, { author: 3, body: "other" });

		const after = keepingSame(
			buildRows([items[0] as Item, edited, items[2] as Item, message(4)], null),
			before,
		);

		expect(after.map((row) => before.includes(row))).toEqual([true, true, false, true, false]);
		// A new group begins at the divider.
		const divided = keepingSame(buildRows(items, 3), before);
		expect(divided.map((row) => row.kind)).toEqual(["day", "message", "message", "divider", "message"]);
		expect(divided.map((row) => before.includes(row))).toEqual([true, true, true, false, false]);
	});

	it("group consecutive messages of one author within five minutes", () => {
		const later = message(9, { at: new Date(2026, 10, 20, 10, 30).toISOString() });

		expect(
			shape([message(1), message(2), message(3, { author: 3 }), message(4, { author: 3 }), later]),
		).toEqual(["day", "first 1", "next 2", "first 3", "next 4", "first 9"]);
	});

	it("start a group at an answer, a system line, a new day and the divider", () => {
		const system: Item = {
			kind: "system",
			seq: 4,
			n: 1,
			at: message(4).at,
			type: "member.left",
			actor: 5,
			data: {},
		};
		const tomorrow = message(6, { at: new Date(2026, 10, 21, 0, 1).toISOString() });

		expect(
			shape([message(1), message(2, { replyTo: 1 }), message(3), system, message(5), tomorrow], 3),
		).toEqual(["day", "first 1", "first 2", "divider", "first 3", "system", "first 5", "day", "first 6"]);
	});

	it("have ids that stay the same when older messages come in", () => {
		const ids = (items: Item[]) =>
			buildRows(items, null).flatMap((row) => (row.kind === "message" ? [row.id] : []));

		expect(ids([message(1), message(2), message(3)]).slice(1)).toEqual(ids([message(2), message(3)]));
	});
});

describe("overlay", () => {
	it("shows waiting edits and reactions on their messages", () => {
		const changes = changesByTarget(
			[
				waiting({ t: "edit", room: 5, target: 1, body: "better" }),
				waiting({ t: "react", room: 5, target: 1, emoji: "👍", on: true }),
				waiting({ t: "react", room: 5, target: 1, emoji: "🎉", on: false }),
				waiting({ t: "delete", room: 6, target: 1 }),
			],
			5,
		);

		const { item, pending } = overlaid(
			message(1, { reactions: { "🎉": [1, 2] }, counts: { "🎉": 40 } }),
			changes.get(1),
			1,
		);

		expect(pending).toBe(true);
		expect(item).toMatchObject({
			body: "better",
			reactions: { "👍": [1], "🎉": [2] },
			counts: { "👍": 1, "🎉": 39 },
		});
	});

	it("makes rows of waiting messages only", () => {
		expect(asMessage(waiting({ t: "send", room: 5, body: "hi", reply_to: 3 }), 1)).toMatchObject({
			author: 1,
			body: "hi",
			replyTo: 3,
		});
		expect(asMessage(waiting({ t: "delete", room: 5, target: 1 }), 1)).toBeNull();
	});

	it("knows by its key a waiting message whose event came before the acknowledgement", () => {
		const arrived = ownKeys([message(1, { author: 1, key: "k1" }), message(2, { key: "k2" })], 1);

		expect([arrived.has("k1"), arrived.has("k2"), arrived.has(null)]).toEqual([true, false, false]);
	});

	it("puts what is acknowledged above what waits, and leaves out what has arrived and other rooms", () => {
		const said = (body: string, key: string, room = 5): OutboxItem => ({
			...waiting({ t: "send", room, body, reply_to: null }),
			key,
		});
		const acknowledged = (body: string, seq: number) => ({
			item: said(body, `k${seq}`),
			ok: { t: "ok" as const, id: "c1", room: 5, epoch: 1, seq, n: seq, at: message(1).at },
		});

		const unsent = unsentMessages(
			5,
			1,
			[message(1, { author: 1, key: "here" })],
			[said("arrived", "here"), said("elsewhere", "k9", 6), said("waits", "k8")],
			[acknowledged("second", 3), acknowledged("first", 2)],
		);

		expect(unsent.map(({ message, delivery }) => [message.body, delivery])).toEqual([
			["first", "logged"],
			["second", "logged"],
			["waits", "waiting"],
		]);
	});
});
