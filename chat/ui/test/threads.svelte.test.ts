import { afterEach, describe, expect, it, vi } from "vitest";
import type { RoomEvent, ThreadPage } from "../src/lib/client/frames";
import type { FollowedThread, FollowedThreads } from "../src/lib/rest";
import { Threads } from "../src/lib/state/threads.svelte";

const AT = "2026-11-30T12:00:00Z";
const ME = 1;

function replied(seq: number, root: number, actor = 2, rootAuthor = 3): RoomEvent {
	const data = { root, body: "hi", reply_to: null, root_author: rootAuthor };
	return { seq, n: 1, type: "reply.posted", key: null, actor, at: AT, data };
}

function listed(root: number, unread: number, lastSeq: number): FollowedThread {
	const replies = { replies: 1, people: 1, first_people: [2], last_seq: lastSeq, last_at: AT };
	return { room: 5, root, author: 3, at: AT, body: "root", deleted: false, unread, read: 10, replies };
}

function threads(answer: FollowedThreads = { threads: [], unread: 0, next: null }) {
	const read: number[] = [];
	const page: ThreadPage = {
		t: "thread_page",
		id: "c1",
		room: 5,
		root: 10,
		message: null,
		messages: [],
		more: false,
		upto: 10,
		following: true,
		read: 10,
	};
	const source = {
		me: ME,
		page: async () => page,
		read: (_room: number, _root: number, seq: number) => {
			read.push(seq);
			return true;
		},
		follow: async (room: number, root: number, following: boolean) => ({
			t: "thread" as const,
			room,
			root,
			following,
			read: 10,
		}),
		followed: vi.fn(async () => answer),
	};
	return { all: new Threads(source), source, read };
}

afterEach(() => {
	vi.useRealTimers();
});

describe("the threads that somebody follows", () => {
	it("are unread by replies of others", () => {
		const { all } = threads();

		all.happened(5, [replied(11, 10, ME), replied(12, 10)]);
		all.happened(5, [replied(13, 20, 2, ME)]);

		expect([all.follows(5, 10), all.follows(5, 20)]).toEqual([true, true]);
		expect([all.unread, all.unreadIn(5, 10)]).toEqual([2, 1]);
	});

	it("are asked for soon after a reply in a thread that is not known", async () => {
		vi.useFakeTimers();
		const { all, source } = threads({ threads: [listed(10, 1, 11)], unread: 1, next: null });

		all.happened(5, [replied(11, 10)]);
		expect(all.unread).toBe(0);
		await vi.advanceTimersByTimeAsync(31_000);

		expect(source.followed).toHaveBeenCalledTimes(1);
		expect(all.unread).toBe(1);
	});

	it("are known before the server has stored why", () => {
		const { all } = threads();
		all.happened(5, [replied(11, 10, 2, ME)]);

		all.noticed({ t: "thread", room: 5, root: 10, following: null, read: 11 });

		expect(all.follows(5, 10)).toBe(true);
	});

	it("count those beyond the first page too", async () => {
		const { all } = threads({ threads: [listed(10, 2, 12), listed(20, 0, 9)], unread: 30, next: "c" });

		await all.refresh();

		expect([all.unread, all.hasMore]).toEqual([30, true]);
	});

	it("are read on all devices, and gone once they are muted", async () => {
		const { all } = threads({ threads: [listed(10, 2, 12), listed(20, 1, 14)], unread: 2, next: null });
		await all.refresh();

		all.noticed({ t: "thread", room: 5, root: 10, following: true, read: 12 });
		expect(all.unread).toBe(1);
		await all.follow(5, 20, false);

		expect(all.unread).toBe(0);
		expect(all.list?.map((one) => one.root)).toEqual([10]);
		all.happened(5, [replied(15, 20, ME), replied(16, 20)]);
		expect(all.unread).toBe(0);
	});

	it("tell the server how far the open one was read", async () => {
		const { all, read } = threads();
		const open = all.show(5, 10);
		await open.load();
		all.happened(5, [replied(11, 10)]);
		expect(all.unread).toBe(1);

		all.markRead(open);

		expect([read, all.unread]).toEqual([[11], 0]);
	});
});
