import { describe, expect, it } from "vitest";
import type { Message, RoomEvent } from "../src/lib/client/frames";
import { findMessage } from "../src/lib/client/history";
import * as rooms from "../src/lib/client/room-state";
import { roomInfo } from "./examples";
import { posted } from "./scripted-socket";

function message(seq: number, changes: Partial<Message> = {}): Message {
	return { seq, n: seq, author: 2, key: null, at: "2026-11-20T10:00:00Z", body: `m${seq}`, ...changes };
}

function event(seq: number, type: string, data: Record<string, unknown>, actor = 2): RoomEvent {
	return { seq, n: 8, type, key: null, actor, at: "2026-11-20T10:01:00Z", data };
}

const page = (...messages: Message[]) => ({ messages, more: true, upto: 300 });
const open = (changes = {}) => rooms.opened(rooms.fromInfo(roomInfo(changes)));
const seqsOf = (state: rooms.RoomState) => (state.island ?? state.tail)?.items.map((item) => item.seq);

describe("room state", () => {
	it("counts unread messages from n, exactly, in a room that was never opened", () => {
		const state = rooms.fromInfo(roomInfo({ head: 10, n: 8, read: 4, read_n: 3 }));

		const after = rooms.applyEvents(state, [
			posted(11, 9),
			event(12, "reaction.added", { target: 11, emoji: "👍" }),
		]);

		expect(rooms.unread(state)).toBe(5);
		expect(rooms.unread({ ...after, n: 9 })).toBe(6);
		expect(rooms.unread(rooms.withRead(after, 12, 9))).toBe(0);
	});

	describe("unread messages", () => {
		const ME = 1;
		const from = (actor: number, seq: number, n: number) => posted(seq, n, "x", { actor });
		const about = (seq: number, n: number, type: string, target: number) => ({
			...event(seq, type, { target }),
			n,
		});

		it("are not one's own, from whatever device they came", () => {
			const state = rooms.applyEvents(
				rooms.fromInfo(roomInfo()),
				[from(ME, 11, 9), from(2, 12, 10), from(ME, 13, 11)],
				ME,
			);

			expect(rooms.unread(state)).toBe(1);
			expect(rooms.unread(rooms.withRead(state, 11, 9))).toBe(1);
			expect(rooms.unread(rooms.withRead(state, 12, 10))).toBe(0);
		});

		it("are not those that were deleted, until they are restored", () => {
			const numbers = [];
			let state = rooms.applyEvents(
				rooms.fromInfo(roomInfo()),
				[from(2, 11, 9), from(2, 12, 10), from(ME, 13, 11)],
				ME,
			);
			for (const [seq, type, target] of [
				[14, "message.deleted", 11],
				[15, "message.deleted", 13], // one's own, and so not new before
				[16, "message.deleted", 8], // read before
				[17, "message.restored", 11],
				[18, "message.restored", 13],
			] as const) {
				state = rooms.applyEvents(state, [about(seq, 11, type, target)], ME);
				numbers.push(rooms.unread(state));
			}

			expect(numbers).toEqual([1, 1, 1, 2, 2]);
		});

		it("come from the server with those that are no news, which go as the marker passes them", () => {
			// After message 3: own 4 and 6, deleted 5, unread 7 and 8.
			const info = { head: 10, n: 8, read: 3, read_n: 6, own_after: [4, 6], deleted_after: [5] };
			const state = rooms.fromInfo(roomInfo(info));

			const deleted = rooms.applyEvents(state, [about(11, 8, "message.deleted", 7)], ME);
			const again = rooms.applyEvents(deleted, [about(12, 8, "message.deleted", 5)], ME);

			expect(rooms.unread(state)).toBe(2);
			expect(rooms.postedSinceRead(state)).toBe(5);
			expect([4, 5, 6, 7, 8].map((seq) => rooms.unread(rooms.withRead(state, seq, seq)))).toEqual([
				2, 2, 2, 1, 0,
			]);
			expect(rooms.unread(deleted)).toBe(1);
			expect(rooms.unread(again)).toBe(1);
			expect(rooms.unread(rooms.applyEvents(again, [about(13, 8, "message.restored", 5)], ME))).toBe(2);
		});

		it("are the same when what was missed comes after the welcome that has it already", () => {
			const before = rooms.applyEvents(open(), [from(2, 11, 9), from(2, 12, 10)], ME);
			const info = { head: 15, n: 12, read: 10, read_n: 10, own_after: [13], deleted_after: [11] };
			const missed = [from(ME, 13, 11), about(14, 11, "message.deleted", 11), from(2, 15, 12)];

			const back = rooms.reconnected(before, roomInfo(info));
			const caughtUp = rooms.applyEvents(back, missed, ME);

			expect(rooms.unread(back)).toBe(1); // 12; and 13 has not come yet
			expect(rooms.unread(caughtUp)).toBe(2);
			expect(rooms.unread(rooms.fromInfo(roomInfo(info)))).toBe(2);
		});

		it("are counted anew from the marker of another device, after a reconnect too", () => {
			const before = rooms.applyEvents(open(), [from(2, 11, 9), from(2, 12, 10)], ME);

			const further = rooms.reconnected(before, roomInfo({ head: 12, n: 10, read: 11, read_n: 9 }));
			const behind = rooms.reconnected(
				rooms.withRead(before, 12, 10),
				roomInfo({ head: 12, n: 10, read: 10, read_n: 8 }),
			);

			expect([rooms.unread(further), rooms.unread(behind)]).toEqual([1, 0]);
		});

		it("are bounded in what is kept of them, and exact all the same", () => {
			const events = Array.from({ length: 5_000 }, (_, i) => from(i % 100 === 0 ? 2 : ME, 11 + i, 9 + i));

			const state = rooms.applyEvents(rooms.fromInfo(roomInfo()), events, ME);

			expect(rooms.unread(state)).toBe(50);
			expect(state.own.length).toBeLessThanOrEqual(2_000);
		});

		it("are right after the log was lost", () => {
			let state = rooms.applyEvents(open(), [from(ME, 11, 9), from(2, 12, 10), from(ME, 13, 11)], ME);

			state = rooms.reset(state, 2, 12);
			const info = { epoch: 2, head: 12, n: 10, read: 10, read_n: 9, own_after: [11] };
			state = rooms.recounted(state, roomInfo(info));

			expect(rooms.unread(state)).toBe(1);
		});

		it.each(["before", "after"])("count what replaces what was read and is lost, %s the recount", (when) => {
			let state = rooms.applyEvents(open(), [from(2, 11, 9), from(2, 12, 10), from(2, 13, 11)], ME);
			state = rooms.withRead(state, 13, 11);
			const recount = () => {
				const info = { epoch: 2, head: 11, n: 9, read: 11, read_n: 9 };
				state = rooms.recounted(state, roomInfo(info));
			};

			state = rooms.reset(state, 2, 11);
			if (when === "after") recount();
			state = rooms.applyEvents(state, [from(2, 12, 10), from(ME, 13, 11)], ME);
			if (when === "before") recount();

			expect(rooms.unread(state)).toBe(1);
		});

		it("live equal those after a reload, whatever happens", () => {
			let random = 28;
			const chance = (below: number) => {
				random = (random * 48271) % 2147483647;
				return random % below;
			};
			const messages: { seq: number; author: number; deleted: boolean }[] = [];
			let state = rooms.fromInfo(roomInfo({ head: 0, n: 0, read: 0, read_n: 0 }));
			let read = 0;
			for (let seq = 1; seq <= 2_000; seq++) {
				const message = messages[chance(messages.length + 1)];
				if (chance(2) === 0 || !message) {
					messages.push({ seq, author: 1 + chance(2), deleted: false });
					state = rooms.applyEvents(state, [from(messages.at(-1)?.author ?? 2, seq, messages.length)], ME);
				} else {
					message.deleted = !message.deleted;
					const type = message.deleted ? "message.deleted" : "message.restored";
					state = rooms.applyEvents(state, [about(seq, messages.length, type, message.seq)], ME);
				}
				if (chance(20) === 0) {
					read += chance(seq - read + 1);
					state = rooms.withRead(state, read, messages.filter((one) => one.seq <= read).length);
				}
				const after = messages.filter((one) => one.seq > read);

				expect(rooms.unread(state)).toBe(after.filter((one) => one.author !== ME && !one.deleted).length);
			}
		});
	});

	it("shows what happened to the room between the messages of a page", () => {
		const happened = [event(4, "member.joined", { user: 3 }), event(7, "member.left", { user: 3 })];
		const newest = { ...page(message(6), message(8)), events: happened.slice(1) };

		let state = rooms.withOlder(open({ head: 10 }), "tail", newest);
		state = rooms.withOlder(state, "tail", {
			...page(message(3)),
			more: false,
			events: happened.slice(0, 1),
		});

		expect(seqsOf(state)).toEqual([3, 4, 6, 7, 8]);
	});

	it("applies edits, reactions and deletion to their message", () => {
		let state = rooms.applyEvents(open(), [posted(11, 9, "frist")]);

		state = rooms.applyEvents(state, [
			event(12, "message.edited", { target: 11, body: "first" }),
			event(13, "reaction.added", { target: 11, emoji: "🎉" }, 3),
			event(14, "reaction.added", { target: 11, emoji: "🎉" }, 4),
			event(15, "reaction.removed", { target: 11, emoji: "🎉" }, 3),
		]);
		const edited = findMessage(state.tail, 11);
		state = rooms.applyEvents(state, [event(16, "message.deleted", { target: 11 })]);

		expect(edited).toMatchObject({
			body: "first",
			editedAt: "2026-11-20T10:01:00Z",
			reactions: { "🎉": [4] },
		});
		expect(findMessage(state.tail, 11)).toMatchObject({ deleted: true, body: "", reactions: {} });
	});

	it("ends with what stands when the past comes without texts that are gone", () => {
		const past = (seq: number, type: string, data: Record<string, unknown>, actor = 2): RoomEvent => ({
			...event(seq, type, data, actor),
			redacted: true,
		});
		let state = rooms.withOlder(open(), "tail", {
			messages: [message(5, { body: "old copy" })],
			more: false,
			upto: 10,
		});
		const seen = (seq: number) => findMessage(state.tail, seq);

		state = rooms.applyEvents(state, [
			{ ...posted(11, 9, ""), redacted: true },
			past(12, "message.edited", { target: 5, body: "" }),
			past(13, "message.edited", { target: 11, body: "" }),
		]);
		expect(seen(5)).toMatchObject({ body: "old copy", absent: false });
		expect(seen(11)).toMatchObject({ body: "", absent: true });

		state = rooms.applyEvents(state, [
			event(14, "message.edited", { target: 5, body: "stands" }),
			event(15, "message.edited", { target: 11, body: "stands too" }),
			{ ...posted(16, 10, ""), redacted: true },
			event(17, "message.deleted", { target: 16 }),
			past(18, "message.edited", { target: 16, body: "" }),
		]);
		expect(seen(5)).toMatchObject({ body: "stands", absent: false, editedAt: "2026-11-20T10:01:00Z" });
		expect(seen(11)).toMatchObject({ body: "stands too", absent: false });
		expect(seen(16)).toMatchObject({ body: "", deleted: true, absent: false, editedAt: null });
	});

	it("counts reactions as the event says, however few people are named", () => {
		const many = message(5, { reactions: { "👍": [2, 3, 1] }, reaction_counts: { "👍": 40 } });
		let state = rooms.withOlder(open(), "tail", { messages: [many], more: false, upto: 10 });
		const seen = () => findMessage(state.tail, 5);

		state = rooms.applyEvents(state, [
			event(11, "reaction.added", { target: 5, emoji: "👍", count: 41 }, 77),
			event(12, "reaction.added", { target: 5, emoji: "👍", count: 41 }, 50), // had it before
			event(13, "reaction.removed", { target: 5, emoji: "👍", count: 40 }, 51), // not named
			event(14, "reaction.added", { target: 5, emoji: "🎉", count: 1 }, 1),
			event(15, "reaction.removed", { target: 5, emoji: "🎉", count: 0 }, 1),
		]);

		expect(seen()?.counts).toEqual({ "👍": 40 });
		expect(seen()?.reactions["👍"]).toEqual([2, 3, 1, 77, 50]);
		state = rooms.applyEvents(state, [event(16, "message.deleted", { target: 5 })]);
		state = rooms.applyEvents(state, [event(17, "reaction.added", { target: 5, emoji: "👍", count: 41 }, 9)]);
		expect(seen()).toMatchObject({ counts: {}, reactions: {} });
	});

	it("counts reactions that were logged before the log did", () => {
		let state = rooms.withOlder(open(), "tail", {
			messages: [message(5, { reactions: { "👍": [2] } })],
			more: false,
			upto: 10,
		});

		state = rooms.applyEvents(state, [
			event(11, "reaction.added", { target: 5, emoji: "👍" }, 3),
			event(12, "reaction.added", { target: 5, emoji: "👍" }, 3),
			event(13, "reaction.removed", { target: 5, emoji: "👍" }, 2),
		]);

		expect(findMessage(state.tail, 5)).toMatchObject({ counts: { "👍": 1 }, reactions: { "👍": [3] } });
	});

	it("does not apply to a page the changes that the page already has", () => {
		let state = rooms.applyEvents(open(), [event(11, "message.edited", { target: 5, body: "old edit" })]);

		state = rooms.withOlder(state, "tail", {
			messages: [message(5, { body: "new edit" })],
			more: false,
			upto: 12,
		});

		expect(findMessage(state.tail, 5)?.body).toBe("new edit");
	});

	it("applies to a page the changes that came after it", () => {
		let state = rooms.applyEvents(open(), [event(11, "message.edited", { target: 5, body: "later" })]);

		state = rooms.withOlder(state, "tail", { messages: [message(5)], more: false, upto: 10 });

		expect(findMessage(state.tail, 5)?.body).toBe("later");
	});

	it("joins a stretch of the past with the newest messages when they meet", () => {
		let state = open({ head: 300, n: 300 });
		state = rooms.withOlder(state, "tail", { messages: [message(290), message(295)], more: true, upto: 300 });

		state = rooms.withIsland(state, [page(message(100), message(110))], 111);
		const jumped = seqsOf(state);
		state = rooms.withNewer(state, [page(message(110), message(200))], 210);
		state = rooms.withNewer(state, [page(message(250))], 289);

		expect(jumped).toEqual([100, 110]);
		expect(state.island).toBeNull();
		expect(seqsOf(state)).toEqual([100, 110, 200, 250, 290, 295]);
	});

	it("takes each message from the page that is newest about it when a stretch comes in several", () => {
		let state = open({ head: 300, n: 300 });
		state = rooms.withOlder(state, "tail", { messages: [message(290)], more: true, upto: 300 });
		state = rooms.withIsland(state, [page(message(100))], 101);
		const edits = [
			event(301, "message.edited", { target: 180, body: "before the second page" }),
			event(302, "message.edited", { target: 150, body: "after both" }),
		];

		state = rooms.withNewer(
			state,
			[
				{ messages: [message(180)], more: true, upto: 300 },
				{ messages: [message(150, { body: "as of 303" })], more: true, upto: 303 },
			],
			200,
			edits,
		);

		expect(seqsOf(state)).toEqual([100, 150, 180]);
		expect(findMessage(state.island, 180)?.body).toBe("before the second page");
		expect(findMessage(state.island, 150)?.body).toBe("as of 303");
	});

	it("tells a message that a moderator removed from one that its author deleted", () => {
		let state = rooms.applyEvents(open(), [posted(11, 9), posted(12, 10)]);

		state = rooms.applyEvents(state, [
			event(13, "message.deleted", { target: 11 }, 2),
			event(14, "message.deleted", { target: 12 }, 7),
		]);
		state = rooms.withOlder(state, "tail", {
			messages: [message(5, { deleted: true, deleted_by: 2 }), message(6, { deleted: true, deleted_by: 7 })],
			more: false,
			upto: 14,
		});

		const removed = (seq: number) => findMessage(state.tail, seq)?.removed;
		expect([5, 6, 11, 12].map(removed)).toEqual([false, true, false, true]);
	});

	it("keeps deleted what its author deleted after a moderator, or before one restores it", () => {
		let state = rooms.applyEvents(open(), [posted(11, 9), posted(12, 10)]);

		state = rooms.applyEvents(state, [
			event(13, "message.deleted", { target: 11 }, 7),
			event(14, "message.deleted", { target: 12 }, 7),
			event(15, "message.deleted", { target: 11 }, 2),
			event(16, "message.deleted", { target: 12 }, 8),
			event(17, "message.restored", { target: 11 }, 7),
			event(18, "message.restored", { target: 12 }, 7),
		]);

		const { deleted, removed } = findMessage(state.tail, 11) ?? {};
		expect({ deleted, removed }).toEqual({ deleted: true, removed: false });
		expect(findMessage(state.tail, 12)).toMatchObject({ deleted: false, absent: true });
	});

	it("follows the reader's own role and mute", () => {
		const state = rooms.fromInfo(roomInfo({ muted_until: "2026-11-20T12:00:00Z" }));
		const about = (type: string, data: Record<string, unknown>) => (now: rooms.RoomState) =>
			rooms.withStanding(now, event(11, type, data), 1);

		const promoted = about("member.joined", { user: 1, role: "moderator" })(state);
		const other = about("member.muted", { user: 9, until: "2026-11-21T00:00:00Z" })(state);
		const shorter = about("member.muted", { user: 1, until: "2026-11-20T11:00:00Z" })(state);
		const everywhere = about("member.muted", {
			user: 1,
			until: "2026-11-20T11:00:00Z",
			everywhere: true,
		})(state);
		const unmuted = about("member.unmuted", { user: 1 })(state);

		expect(promoted.role).toBe("moderator");
		expect(other).toBe(state);
		expect(shorter.mutedUntil).toBe("2026-11-20T11:00:00Z");
		expect(everywhere.mutedUntil).toBe("2026-11-20T12:00:00Z");
		expect(unmuted.mutedUntil).toBeNull();
	});

	it("knows about slow mode from the room's description and from its changes", () => {
		const state = rooms.fromInfo(roomInfo({ slow_mode_seconds: 30 }));

		const renamed = rooms.applyEvents(state, [event(11, "room.updated", { name: "other" })]);
		const ended = rooms.applyEvents({ ...renamed, heldUntil: 9 }, [
			event(12, "room.updated", { slow_mode_seconds: 0 }),
		]);

		expect(renamed.slowModeSeconds).toBe(30);
		expect(ended).toMatchObject({ slowModeSeconds: 0, heldUntil: 0 });
	});

	it("resumes at its own position after a reconnection, and starts anew in another epoch", () => {
		const state = rooms.applyEvents(open(), [posted(11, 9)]);

		const same = rooms.reconnected(state, roomInfo({ head: 40, n: 30, stored: 39 }));
		const other = rooms.reconnected(state, roomInfo({ epoch: 2, head: 9, n: 7 }));

		expect(same).toMatchObject({ last: 11, n: 9, stored: 39 });
		expect(same.tail).toBe(state.tail);
		expect(other).toMatchObject({ epoch: 2, last: 9, n: 7, tail: null });
	});

	it("shows joins, renames and quarantined events between the messages", () => {
		const state = rooms.applyEvents(open(), [
			event(11, "member.joined", { user: 7, role: "member" }),
			event(12, "room.updated", { name: "new name" }),
			event(13, "event.quarantined", { reason: "refused", original_type: "message.posted" }),
		]);

		expect(state.name).toBe("new name");
		expect(state.tail?.items.map((item) => item.kind)).toEqual(["system", "system", "system"]);
	});
});
