import { IDBFactory } from "fake-indexeddb";
import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Ok } from "../src/lib/client/frames";
import { Outbox, type OutboxHooks } from "../src/lib/client/outbox";
import {
	DISK_PATIENCE_MS,
	IndexedDbOutboxStore,
	type OutboxItem,
	type OutboxStore,
	ResilientOutboxStore,
} from "../src/lib/client/outbox-store";
import { type Appending, RequestError } from "../src/lib/client/requests";

const freely = (_: string, work: () => Promise<void>) => work();
const say = (body: string, room = 5) => ({ t: "send" as const, room, body, reply_to: null });

function ok(request: Appending, seq: number): Ok {
	return { t: "ok", id: "c1", room: request.room, epoch: 1, seq, n: seq, at: "2026-11-20T10:00:00Z" };
}

function bodies(requests: Appending[]): string[] {
	return requests.map((request) => (request.t === "send" ? request.body : request.t));
}

class Desk {
	sent: Appending[] = [];
	online = true;
	keys = 0;
	waiting: { key: string | null; failed: unknown }[] = [];
	logged: number[] = [];
	held: number[] = [];
	refused: string[] = [];
	answer: (request: Appending) => Promise<Ok> = async (request) => ok(request, this.sent.length);

	hooks: OutboxHooks = {
		transmit: (request) => {
			this.sent.push(request);
			return this.answer(request);
		},
		connected: () => this.online,
		newKey: () => `key-${++this.keys}`,
		changed: (items) => {
			this.waiting = items;
		},
		held: (_, seconds) => void this.held.push(seconds),
		refused: (item, code) => void this.refused.push(`${item.intent.t} ${code}`),
		logged: (_, answer) => void this.logged.push(answer.seq),
	};

	outbox(store: OutboxStore): Outbox {
		return new Outbox(store, this.hooks, freely, null);
	}
}

describe.each([
	["memory", async () => new ResilientOutboxStore(null, () => {})],
	["IndexedDB", () => IndexedDbOutboxStore.open(1)],
] as const)("Outbox on %s", (_, openStore) => {
	beforeEach(() => {
		globalThis.indexedDB = new IDBFactory();
	});

	it("sends in the order of asking and forgets what is acknowledged", async () => {
		const desk = new Desk();
		const outbox = desk.outbox(await openStore());

		for (const body of ["one", "two", "three"]) await outbox.add(say(body));
		await vi.waitFor(() => expect(desk.logged).toEqual([1, 2, 3]));

		expect(bodies(desk.sent)).toEqual(["one", "two", "three"]);
		await vi.waitFor(() => expect(desk.waiting).toEqual([]));
	});

	it("keeps what is written offline and sends it, in order, when the connection is back", async () => {
		const desk = new Desk();
		desk.online = false;
		const outbox = desk.outbox(await openStore());

		await outbox.add(say("one"));
		await outbox.add(say("two"));
		const sentOffline = desk.sent.length;
		desk.online = true;
		outbox.resume();
		await vi.waitFor(() => expect(desk.logged.length).toBe(2));

		expect(sentOffline).toBe(0);
		expect(bodies(desk.sent)).toEqual(["one", "two"]);
	});

	it("repeats an unanswered request with the same key, also after a reload of the page", async () => {
		const store = await openStore();
		const before = new Desk();
		before.answer = async () => {
			before.online = false;
			throw new RequestError("unavailable", "cut");
		};
		await before.outbox(store).add(say("hello"));
		await vi.waitFor(() => expect(before.sent.length).toBe(1));

		const after = new Desk();
		after.keys = 100;
		await after.outbox(store).load();
		await vi.waitFor(() => expect(after.logged.length).toBe(1));

		expect(after.sent[0]?.key).toBe(before.sent[0]?.key);
	});

	it("lets no later message overtake one that has to wait", async () => {
		const desk = new Desk();
		let refusals = 2;
		desk.answer = async (request) => {
			if (refusals-- > 0) throw new RequestError("rate_limited", "slower", 0.05);
			return ok(request, desk.sent.length);
		};
		const outbox = desk.outbox(await openStore());

		await Promise.all([outbox.add(say("one")), outbox.add(say("two"))]);
		await vi.waitFor(() => expect(desk.logged.length).toBe(2));

		expect(bodies(desk.sent)).toEqual(["one", "one", "one", "two"]);
		expect(new Set(desk.sent.slice(0, 3).map((request) => request.key)).size).toBe(1);
	});

	it("lets edits and reactions pass messages that come too soon, and keeps those", async () => {
		const desk = new Desk();
		let slow = true;
		desk.answer = async (request) => {
			if (slow && request.t === "send") throw new RequestError("rate_limited", "slower", 600);
			return ok(request, desk.sent.length);
		};
		const outbox = desk.outbox(await openStore());

		await outbox.add(say("one"));
		await outbox.add(say("two"));
		await outbox.add({ t: "react", room: 5, target: 3, emoji: "👍", on: true });
		await vi.waitFor(() => expect(desk.logged.length).toBe(1));
		const [sentMeanwhile, waitingMeanwhile] = [bodies(desk.sent), desk.waiting.length];
		slow = false;
		outbox.release(5);
		await vi.waitFor(() => expect(desk.logged.length).toBe(3));

		expect(sentMeanwhile).toEqual(["one", "react"]);
		expect(waitingMeanwhile).toBe(2);
		expect(desk.held).toEqual([600]);
		expect(bodies(desk.sent.slice(2))).toEqual(["one", "two"]);
	});

	it("keeps a message that is refused for good and goes on with the next", async () => {
		const desk = new Desk();
		desk.answer = async (request) => {
			if (request.t === "send" && request.body === "bad") throw new RequestError("muted", "You are muted.");
			return ok(request, 1);
		};
		const outbox = desk.outbox(await openStore());

		await outbox.add(say("bad"));
		await outbox.add(say("good"));
		await vi.waitFor(() => expect(desk.logged.length).toBe(1));
		await vi.waitFor(() => expect(desk.waiting.length).toBe(1));

		expect(desk.waiting[0]?.failed).toEqual({ code: "muted", message: "You are muted." });
	});

	it("forgets a change of a message that is refused for good, and says so", async () => {
		const desk = new Desk();
		desk.answer = async (request) => {
			if (request.t === "edit") throw new RequestError("muted", "You are muted.");
			return ok(request, 1);
		};
		const outbox = desk.outbox(await openStore());

		await outbox.add({ t: "edit", room: 5, target: 3, body: "better" });
		await outbox.add(say("good"));
		await vi.waitFor(() => expect(desk.logged.length).toBe(1));

		expect(desk.refused).toEqual(["edit muted"]);
		await vi.waitFor(() => expect(desk.waiting).toEqual([]));
	});

	it("retries a refused message with its key, with a new one if the key was the trouble", async () => {
		const desk = new Desk();
		let code: "muted" | "key_conflict" | null = "muted";
		desk.answer = async (request) => {
			if (code) throw new RequestError(code, "no");
			return ok(request, 1);
		};
		const outbox = desk.outbox(await openStore());
		const failed = () => vi.waitFor(() => expect(desk.waiting[0]?.failed).toMatchObject({ code }));
		const retry = () => outbox.retry((desk.waiting[0] as unknown as { id: string }).id);

		await outbox.add(say("again"));
		await failed();
		code = "key_conflict";
		await retry();
		await failed();
		code = null;
		await retry();
		await vi.waitFor(() => expect(desk.logged.length).toBe(1));

		const keys = desk.sent.map((request) => request.key);
		expect(keys[0]).toBe(keys[1]);
		expect(keys[2]).not.toBe(keys[1]);
	});

	it("discards what waits, and says of what was transmitted that it may be on the server", async () => {
		const desk = new Desk();
		let refuse: (error: RequestError) => void = () => {};
		desk.answer = () =>
			new Promise((_, reject) => {
				refuse = reject;
			});
		const outbox = desk.outbox(await openStore());
		const idAt = (at: number) => (desk.waiting[at] as unknown as { id: string }).id;

		await outbox.add(say("under way"));
		await vi.waitFor(() => expect(desk.sent.length).toBe(1));
		await outbox.add(say("not sent yet"));
		const [first, second] = [idAt(0), idAt(1)];

		expect(await outbox.discard(second)).toBe(false);
		expect(await outbox.discard(first)).toBe(true);
		expect(await outbox.discard(first)).toBe(false);
		refuse(new RequestError("unavailable", "away", 0.01));
		await outbox.add(say("and this"));

		// A discarded item comes back neither after a refusal nor after another attempt.
		await vi.waitFor(() => expect(desk.sent.length).toBe(2));
		expect(bodies(desk.sent)).toEqual(["under way", "and this"]);
		expect(desk.waiting.length).toBe(1);
	});
});

describe("ResilientOutboxStore", () => {
	const full = (): Promise<never> => Promise.reject(new DOMException("full", "QuotaExceededError"));
	const never = (): Promise<never> => new Promise(() => {});
	const item = (id: string): OutboxItem => ({
		id,
		intent: say(id),
		key: null,
		createdAt: 0,
		failed: null,
	});
	let disk: OutboxStore;
	let notKept: number;
	let store: ResilientOutboxStore;

	beforeEach(async () => {
		globalThis.indexedDB = new IDBFactory();
		disk = await IndexedDbOutboxStore.open(1);
		store = new ResilientOutboxStore(disk, (items) => {
			notKept = items;
		});
	});
	afterEach(() => {
		vi.useRealTimers();
	});

	it("sends what the disk is too full for, and says that it is not kept", async () => {
		const desk = new Desk();
		desk.online = false;
		disk.put = full;
		const outbox = desk.outbox(store);

		await outbox.add(say("one"));
		await outbox.add(say("two"));
		const waiting = [desk.waiting.length, notKept];
		desk.online = true;
		outbox.resume();
		await vi.waitFor(() => expect(desk.logged).toEqual([1, 2]));

		expect(waiting).toEqual([2, 2]);
		expect(bodies(desk.sent)).toEqual(["one", "two"]);
		await vi.waitFor(() => expect([desk.waiting, notKept]).toEqual([[], 0]));
	});

	it("waits for a disk that does not answer, but not for ever", async () => {
		vi.useFakeTimers();
		disk.put = never;

		const put = store.put(item("1"));
		await vi.advanceTimersByTimeAsync(DISK_PATIENCE_MS);
		await put;
		vi.useRealTimers();

		expect(notKept).toBe(1);
		expect(await store.all()).toEqual([item("1")]);
	});

	it("does not bring back what the disk does not let go", async () => {
		await store.put(item("1"));
		await store.put(item("2"));
		disk.remove = full;

		await store.remove("1");

		expect(await store.all()).toEqual([item("2")]);
		expect((await disk.all()).length).toBe(2);
	});

	it("keeps what it knew when the disk cannot be read any more", async () => {
		await store.put(item("1"));
		await store.all();
		disk.all = full;
		disk.put = full;

		await store.put({ ...item("1"), key: "k" });
		await store.put(item("2"));

		expect(await store.all()).toEqual([{ ...item("1"), key: "k" }, item("2")]);
	});

	it("takes from the memory what the disk takes after all", async () => {
		const put = disk.put.bind(disk);
		disk.put = full;
		await store.put(item("1"));
		disk.put = put;

		await store.put({ ...item("1"), key: "k" });

		expect(notKept).toBe(0);
		expect(await disk.all()).toEqual([{ ...item("1"), key: "k" }]);
	});
});
