import { describe, expect, it } from "vitest";
import type { Message, RoomEvent, ThreadPage } from "../src/lib/client/frames";
import { addOlder, append, emptySegment, findMessage, mutate } from "../src/lib/client/history";
import { repliesOf, rootOf, withEvents, withNewest, withOlder } from "../src/lib/client/thread-state";

const AT = "2026-11-30T12:00:00Z";

function said(seq: number, changes: Partial<Message> = {}): Message {
	return { seq, n: 0, author: 2, key: null, at: AT, body: `body ${seq}`, ...changes };
}

function page(seqs: number[], changes: Partial<ThreadPage> = {}): ThreadPage {
	return {
		t: "thread_page",
		id: "c1",
		room: 5,
		root: 10,
		message: said(10, { n: 3, author: 1 }),
		messages: seqs.map((seq) => said(seq, { thread: 10 })),
		more: false,
		upto: seqs.at(-1) ?? 10,
		...changes,
	};
}

function event(seq: number, type: string, data: Record<string, unknown>, actor = 2): RoomEvent {
	return { seq, n: 3, type, key: null, actor, at: AT, data };
}

function replied(seq: number, actor = 2): RoomEvent {
	return event(seq, "reply.posted", { root: 10, body: `body ${seq}`, reply_to: null }, actor);
}

const seqsOf = (state: Parameters<typeof repliesOf>[0]) => repliesOf(state).map((reply) => reply.seq);

describe("a thread", () => {
	it("has its root and its replies apart", () => {
		const state = withNewest(null, page([12, 14]), []);

		expect(rootOf(state)?.seq).toBe(10);
		expect(seqsOf(state)).toEqual([12, 14]);
		expect(state.segment.complete).toBe(true);
	});

	it("takes in events after its page once, and those of other threads never", () => {
		const elsewhere = event(16, "reply.posted", { root: 11, body: "no", reply_to: null });
		const known = withNewest(null, page([12, 14]), [replied(14), replied(15)]);
		const state = withEvents(known, [replied(15), elsewhere, replied(17)]);

		expect(seqsOf(state)).toEqual([12, 14, 15, 17]);
		expect(rootOf(state)?.replies?.replies).toBe(2);
	});

	it("changes its replies as a room changes its messages", () => {
		const state = withEvents(withNewest(null, page([12, 14]), []), [
			event(15, "message.edited", { target: 12, body: "better" }),
			event(16, "message.deleted", { target: 14, thread: 10, in_room: false, replies: -1 }),
		]);

		expect(repliesOf(state).map((reply) => [reply.body, reply.deleted])).toEqual([
			["better", false],
			["", true],
		]);
	});

	it("grows at its beginning, and keeps that when its newest page comes again", () => {
		const newest = withNewest(null, page([30, 31], { more: true }), []);
		const grown = withOlder(newest, page([20, 21], { upto: 31 }), []);
		const again = withNewest(grown, page([31, 32], { more: true }), []);
		const gap = withNewest(grown, page([40, 41], { more: true }), []);

		expect(seqsOf(grown)).toEqual([20, 21, 30, 31]);
		expect(grown.segment.complete).toBe(true);
		expect([seqsOf(again), again.segment.complete]).toEqual([[20, 21, 30, 31, 32], true]);
		expect([seqsOf(gap), gap.segment.complete]).toEqual([[40, 41], false]);
	});
});

describe("the room", () => {
	const room = addOlder(emptySegment(10), {
		messages: [said(10, { n: 3, author: 1 })],
		more: false,
		upto: 10,
	});

	it("counts replies at their root and shows none of them", () => {
		const events = [replied(11), replied(12, 3), replied(13)];
		const state = events.reduce(mutate, append(room, events));

		expect(state.items.map((item) => item.seq)).toEqual([10]);
		expect(state.to).toBe(13);
		expect(findMessage(state, 10)?.replies).toMatchObject({
			replies: 3,
			people: 2,
			first_people: [2, 3],
			last_seq: 13,
		});
	});

	it("takes a deleted reply off, and does not count again what its page has counted", () => {
		const counted = { replies: 2, people: 1, first_people: [2], last_seq: 12, last_at: AT };
		const known = addOlder(emptySegment(12), {
			messages: [said(10, { n: 3, replies: counted })],
			more: false,
			upto: 12,
		});
		const deleted = event(13, "message.deleted", { target: 11, thread: 10, in_room: false, replies: -1 });
		const state = [replied(12), deleted].reduce(mutate, known);

		expect(findMessage(state, 10)?.replies?.replies).toBe(1);
	});

	it("shows a reply that was sent to the room too, and counts it", () => {
		const also = event(11, "message.posted", { body: "look", reply_to: null, thread: 10 });
		const state = mutate(append(room, [also]), also);

		expect(findMessage(state, 11)?.thread).toBe(10);
		expect(findMessage(state, 10)?.replies?.replies).toBe(1);
	});
});
