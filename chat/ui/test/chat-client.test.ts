import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ChatClient, type ClientListener, type Logged } from "../src/lib/client/chat-client";
import type { Marker, RoomEvent, RoomInfo, ServerFrame } from "../src/lib/client/frames";
import type { SetMarker } from "../src/lib/client/markers-by-hand";
import { type OutboxItem, ResilientOutboxStore } from "../src/lib/client/outbox-store";
import * as rooms from "../src/lib/client/room-state";
import { roomInfo } from "./examples";
import { posted, ScriptedSocket, settle, welcome } from "./scripted-socket";

let client: ChatClient;
let waiting: OutboxItem[];
let logged: Logged[];
let asked: number[];
const setMarkers = vi.fn<(markers: SetMarker[]) => Promise<Marker[] | null>>();
/** The rooms that were known when the page was told of the welcome. */
let knownAtWelcome: number[];

async function start(...infos: RoomInfo[]): Promise<ScriptedSocket> {
	const listener: ClientListener = {
		link: () => {},
		threadChanged: () => {},
		welcomed: () => {
			knownAtWelcome = [...client.rooms.keys()];
		},
		room: () => {},
		events: () => {},
		presence: () => {},
		typingNoticed: () => {},
		reportChanged: () => {},
		personChanged: () => {},
		arranged: () => {},
		outbox: (items, done) => {
			waiting = items;
			logged = done;
		},
		refused: () => {},
		catchingUp: () => {},
	};
	client = new ChatClient(
		{
			url: "ws://veche.test/ws/chat/",
			store: new ResilientOutboxStore(null, () => {}),
			lock: (_, work) => work(),
			outboxChannel: null,
			readChannel: null,
			setMarkers: (markers) => setMarkers(markers),
			setMarkerStore: { load: () => [], save: () => {} },
			signedIn: async () => true,
			roomInfo: async (room) => {
				asked.push(room);
				return roomInfo({ epoch: 2, head: 4, n: 3 });
			},
			makeSocket: ScriptedSocket.make,
		},
		listener,
	);
	await client.start();
	ScriptedSocket.latest.welcomes(...infos);
	return ScriptedSocket.latest;
}

/** Opens room 5 and answers the request for its first page. */
async function open(
	socket: ScriptedSocket,
	messages = [{ ...posted(10, 8), author: 2, body: "latest" }],
): Promise<void> {
	const done = client.openRoom(5);
	const request = socket.of("history").at(-1);
	if (request) socket.says({ t: "page", id: request.id, room: 5, messages, more: true, upto: 10 });
	await done;
}

const room = () => client.rooms.get(5);
const seqsShown = () => room()?.tail?.items.map((item) => item.seq);

describe("ChatClient", () => {
	beforeEach(() => {
		setMarkers.mockReset().mockResolvedValue([]);
		vi.useFakeTimers();
		ScriptedSocket.opened = [];
		waiting = [];
		logged = [];
		asked = [];
	});
	afterEach(() => {
		client.stop();
		vi.useRealTimers();
	});

	it("tells of a welcome once it knows the rooms", async () => {
		await start(roomInfo());

		expect(knownAtWelcome).toEqual([5]);
	});

	it("fills a gap with sync after the last contiguous position", async () => {
		const socket = await start(roomInfo());
		await open(socket);

		socket.says({ t: "events", f: 1, room: 5, events: [posted(13, 11)] });
		const before = seqsShown();
		await vi.advanceTimersByTimeAsync(300);
		const sync = socket.of("sync")[0];
		socket.says({
			t: "batch",
			id: sync?.id ?? "",
			room: 5,
			events: [posted(11, 9), posted(12, 10)],
			head: 13,
		});
		await settle();

		expect(before).toEqual([10]);
		expect(sync).toMatchObject({ room: 5, after: 10 });
		expect(seqsShown()).toEqual([10, 11, 12, 13]);
	});

	it("takes what was read on another device, forwards only", async () => {
		const socket = await start(roomInfo({ head: 10, n: 8, read: 4, read_n: 3 }));
		const unread = () => rooms.unread(room() as rooms.RoomState);

		socket.says({ t: "read", room: 5, seq: 7, n: 6 });
		const further = unread();
		socket.says({ t: "read", room: 5, seq: 6, n: 5 });
		socket.says({ t: "read", room: 77, seq: 6, n: 5 });
		const back = unread();
		// It may come before the events to which it refers.
		socket.says({ t: "read", room: 5, seq: 12, n: 10 });
		const ahead = unread();
		socket.says({ t: "events", f: 1, room: 5, events: [11, 12, 13].map((seq) => posted(seq, seq - 2)) });

		expect([further, back, ahead, unread()]).toEqual([2, 2, 0, 1]);
	});

	it("tells again what was read and did not arrive, of rooms in a later part too", async () => {
		const news = { head: 10, n: 8, read: 4, read_n: 3 };
		const socket = await start(roomInfo(news), roomInfo({ ...news, id: 6 }));
		client.markRead(5, 10, 8);
		client.markRead(6, 10, 8);
		await vi.advanceTimersByTimeAsync(1_000);
		expect(socket.of("read")).toHaveLength(2);
		socket.breaks();
		await vi.advanceTimersByTimeAsync(60_000);
		const again = ScriptedSocket.latest;

		again.open();
		again.says({ ...welcome(roomInfo(news)), more: true });
		again.says({ t: "rooms", rooms: [roomInfo({ ...news, id: 6 })], more: false });
		await vi.advanceTimersByTimeAsync(1_000);

		const told = again.of("read").map(({ room, seq }) => [room, seq]);
		expect(told).toContainEqual([5, 10]);
		expect(told).toContainEqual([6, 10]);
	});

	describe("markers that the person sets", () => {
		const unread = () => rooms.unread(room() as rooms.RoomState);
		const asItIs = (read: number, read_n: number, set_at_ms: number): Marker => ({
			room: 5,
			read,
			read_n,
			set_at_ms,
		});

		it("go back at once, and have the number that the server counts", async () => {
			const socket = await start(roomInfo());
			await open(socket);
			setMarkers.mockImplementation(async ([one]) => [asItIs(9, 5, one?.setAtMs ?? 0)]);

			client.setMarkers([{ room: 5, seq: 9 }]);
			const atOnce = unread();
			await settle();

			expect([atOnce, unread()]).toEqual([1, 3]);
			expect(setMarkers).toHaveBeenCalledOnce();
		});

		it("are sent until the server has them, with what was read after them", async () => {
			await start(roomInfo());
			setMarkers.mockRejectedValueOnce(new Error("down"));
			setMarkers.mockImplementation(async (given) => [asItIs(7, 6, given[0]?.setAtMs ?? 0)]);

			client.setMarkers([{ room: 5, seq: 4 }]);
			await settle();
			client.markRead(5, 7, 6);
			await vi.advanceTimersByTimeAsync(60_000);

			expect(setMarkers.mock.lastCall?.[0]).toMatchObject([{ room: 5, seq: 7 }]);
			expect(ScriptedSocket.latest.of("read")).toEqual([]);
			expect(unread()).toBe(2);
		});

		it("hold against what was read before on any device", async () => {
			const socket = await start(roomInfo());
			socket.says({ t: "markers", markers: [asItIs(4, 3, 1_000)] });

			socket.says({ t: "read", room: 5, seq: 10, n: 8 });
			const held = unread();
			socket.says({ t: "read", room: 5, seq: 6, n: 5, set_at_ms: 1_000 });

			expect([held, unread()]).toEqual([5, 3]);
		});

		it("are not undone by what waits to be told when the connection is back", async () => {
			const socket = await start(roomInfo({ head: 10, n: 8, read: 4, read_n: 3 }));
			socket.breaks();
			client.markRead(5, 10, 8);
			await vi.advanceTimersByTimeAsync(60_000);
			const again = ScriptedSocket.latest;

			again.welcomes(roomInfo({ read: 2, read_n: 1, set_at_ms: 1_000 }));
			await vi.advanceTimersByTimeAsync(1_000);

			expect(again.of("read")).toEqual([]);
			expect(unread()).toBe(7);
		});
	});

	it("does not count what the person wrote elsewhere", async () => {
		const socket = await start(roomInfo());

		socket.says({
			t: "events",
			f: 1,
			room: 5,
			events: [posted(11, 9, "mine", { actor: 1 }), posted(12, 10)],
		});

		expect(rooms.unread(room() as rooms.RoomState)).toBe(1);
	});

	it("does not ask when the missing frame is right behind", async () => {
		const socket = await start(roomInfo());
		await open(socket);

		socket.says({ t: "events", f: 1, room: 5, events: [posted(12, 10)] });
		socket.says({ t: "events", f: 2, room: 5, events: [posted(11, 9)] });
		await vi.advanceTimersByTimeAsync(5_000);

		expect(socket.of("sync")).toEqual([]);
		expect(seqsShown()).toEqual([10, 11, 12]);
	});

	it("notices from heads what it missed in a room that has gone quiet", async () => {
		const socket = await start(roomInfo());

		socket.says({ t: "heads", rooms: { "5": [1, 12] } });
		await vi.advanceTimersByTimeAsync(1_100);
		const sync = socket.of("sync")[0];
		socket.says({
			t: "batch",
			id: sync?.id ?? "",
			room: 5,
			events: [posted(11, 9), posted(12, 10)],
			head: 12,
		});
		await settle();

		expect(room()).toMatchObject({ last: 12, n: 10 });
	});

	it("asks sync until the head is reached", async () => {
		const socket = await start(roomInfo());

		socket.says({ t: "heads", rooms: { "5": [1, 12] } });
		await vi.advanceTimersByTimeAsync(1_100);
		socket.says({
			t: "batch",
			id: socket.of("sync")[0]?.id ?? "",
			room: 5,
			events: [posted(11, 9)],
			head: 12,
		});
		await settle();
		socket.says({
			t: "batch",
			id: socket.of("sync")[1]?.id ?? "",
			room: 5,
			events: [posted(12, 10)],
			head: 12,
		});
		await settle();

		expect(socket.of("sync").map((frame) => frame.after)).toEqual([10, 11]);
		expect(room()?.last).toBe(12);
	});

	it("resumes open rooms from its own position and starts others at the head", async () => {
		const first = await start(roomInfo(), roomInfo({ id: 6 }));
		await open(first);
		first.says({ t: "events", f: 1, room: 5, events: [posted(11, 9)] });

		first.breaks();
		await vi.advanceTimersByTimeAsync(1_000);
		const second = ScriptedSocket.latest;
		second.welcomes(roomInfo({ head: 12, n: 10 }), roomInfo({ id: 6, head: 30, n: 20 }));
		second.says({ t: "events", f: 1, room: 5, events: [posted(12, 10)] });

		expect(second.of("hello")[0]?.rooms).toEqual({ "5": { epoch: 1, seq: 11 } });
		expect(seqsShown()).toEqual([10, 11, 12]);
		expect(client.rooms.get(6)).toMatchObject({ last: 30, n: 20 });
	});

	it("keeps the rooms of a list in parts and drops what no part has named", async () => {
		const first = await start(roomInfo(), roomInfo({ id: 6 }), roomInfo({ id: 7 }));
		first.breaks();
		await vi.advanceTimersByTimeAsync(1_000);
		const second = ScriptedSocket.latest;
		second.open();

		second.says({ ...welcome(roomInfo()), more: true });
		const before = [...client.rooms.keys()];
		second.says({ t: "rooms", rooms: [roomInfo({ id: 7 }), roomInfo({ id: 8 })], more: false });

		expect(before).toEqual([5, 6, 7]);
		expect([...client.rooms.keys()].sort()).toEqual([5, 7, 8]);
	});

	it("confirms events frames within half a second, at once when they are large", async () => {
		const socket = await start(roomInfo());

		socket.says({ t: "events", f: 1, room: 5, events: [posted(11, 9)] });
		socket.says({ t: "events", f: 2, room: 5, events: [posted(12, 10)] });
		await vi.advanceTimersByTimeAsync(500);
		const calm = socket.of("seen");
		socket.says({ t: "events", f: 3, room: 5, events: [posted(13, 11, "x".repeat(40_000))] });

		expect(calm).toEqual([{ t: "seen", f: 2 }]);
		expect(socket.of("seen").at(-1)).toEqual({ t: "seen", f: 3 });
	});

	it("shows an acknowledged message as logged until its event comes, then as part of the room", async () => {
		const socket = await start(roomInfo());
		await open(socket);

		await client.say({ t: "send", room: 5, body: "hi", reply_to: null });
		await settle();
		const send = socket.of("send")[0];
		const waitingBefore = waiting.length;
		socket.says({
			t: "ok",
			id: send?.id ?? "",
			room: 5,
			epoch: 1,
			seq: 11,
			n: 9,
			at: "2026-11-20T10:00:00Z",
		});
		await settle();
		const loggedBefore = logged.map(({ ok }) => ok.seq);
		socket.says({
			t: "events",
			f: 1,
			room: 5,
			events: [posted(11, 9, "hi", { actor: 1, key: send?.key ?? null })],
		});

		expect(waitingBefore).toBe(1);
		expect([waiting.length, loggedBefore]).toEqual([0, [11]]);
		expect(logged).toEqual([]);
		expect(seqsShown()).toEqual([10, 11]);
	});

	it("sends again with the same key after a reconnection when no answer came", async () => {
		const first = await start(roomInfo());
		await client.say({ t: "send", room: 5, body: "hi", reply_to: null });
		await settle();

		first.breaks();
		await vi.advanceTimersByTimeAsync(1_000);
		ScriptedSocket.latest.welcomes(roomInfo());
		await settle();

		expect(ScriptedSocket.latest.of("send")[0]?.key).toBe(first.of("send")[0]?.key);
		expect(first.of("send").length).toBe(1);
	});

	it("makes keys by the server's clock", async () => {
		const socket = await start(roomInfo());
		socket.says({ t: "pong", time: new Date(Date.now() + 3_600_000).toISOString() });

		await client.say({ t: "send", room: 5, body: "hi", reply_to: null });
		await settle();

		const hex = socket.of("send")[0]?.key.replaceAll("-", "").slice(0, 12) ?? "";
		expect(Number.parseInt(hex, 16) - Date.now()).toBeGreaterThan(3_500_000);
	});

	it.each<[string, ServerFrame]>([
		["reset", { t: "reset", room: 5, epoch: 2, head: 4 }],
		["heads of another epoch", { t: "heads", rooms: { "5": [2, 4] } }],
	])("forgets a room's messages on %s and loads them again", async (_, frame) => {
		const socket = await start(roomInfo());
		await open(socket);

		socket.says(frame);
		await settle();

		expect(room()).toMatchObject({ epoch: 2, last: 4, n: 3 });
		expect(socket.of("history").at(-1)).toMatchObject({ before: 5 });
		expect(asked).toEqual([5]);
	});

	it("stays in its epoch when an acknowledgement names the place in an earlier one", async () => {
		const socket = await start(roomInfo({ epoch: 2 }));
		await open(socket);

		await client.say({ t: "send", room: 5, body: "said before the log was lost", reply_to: null });
		await settle();
		const id = socket.of("send")[0]?.id ?? "";
		socket.says({ t: "ok", id, room: 5, epoch: 1, seq: 700, n: 600, at: "2026-11-20T10:00:00Z" });
		await settle();

		expect(room()).toMatchObject({ epoch: 2, last: 10 });
		expect(seqsShown()).toEqual([10]);
		expect([waiting, logged, asked]).toEqual([[], [], []]);
	});

	it("drops a room when the person is removed from it", async () => {
		const socket = await start(roomInfo());

		socket.says({
			t: "events",
			f: 1,
			room: 5,
			events: [{ ...posted(11, 8), type: "member.removed", data: { user: 1 } }],
		});

		expect(client.rooms.size).toBe(0);
	});

	it("marks as stored what the watermark has passed", async () => {
		const socket = await start(roomInfo({ stored: 3 }));

		socket.says({ t: "stored", rooms: { "5": 10, "99": 4 } });

		expect(room()?.stored).toBe(10);
	});

	it("asks again for the text of a restored message once the database has it", async () => {
		const socket = await start(roomInfo());
		await open(socket);
		const change = (seq: number, type: string) => ({ ...posted(seq, 8), type, data: { target: 10 } });

		socket.says({
			t: "events",
			f: 1,
			room: 5,
			events: [change(11, "message.deleted"), change(12, "message.restored")],
		});
		const askedTooEarly = socket.of("history").length;
		socket.says({ t: "stored", rooms: { "5": 12 } });
		const request = socket.of("history").at(-1);
		socket.says({
			t: "page",
			id: request?.id ?? "",
			room: 5,
			messages: [{ ...posted(10, 8), author: 2, body: "back" }],
			more: true,
			upto: 12,
		});
		await settle();

		expect(askedTooEarly).toBe(1); // the page with which the room was opened
		expect(request).toMatchObject({ before: 11, limit: 1 });
		expect(room()?.tail?.items[0]).toMatchObject({ body: "back", deleted: false, absent: false });
	});

	describe("in a room whose pages the server has to cut", () => {
		const HEAD = 300;
		const at = (seq: number) => ({ ...posted(seq, seq), author: 2, body: `m${seq}` });

		/** Answers every request for history that waits, with at most `most` of the newest messages. */
		async function answer(socket: ScriptedSocket, most: number): Promise<number[]> {
			const asked: number[] = [];
			for (let done = 0; done < socket.of("history").length; done++) {
				const { id, before, limit } = socket.of("history")[done] as {
					id: string;
					before: number;
					limit: number;
				};
				const first = Math.max(1, before - Math.min(limit, most));
				const messages = Array.from({ length: before - first }, (_, i) => at(first + i));
				socket.says({ t: "page", id, room: 5, messages, more: first > 1, upto: HEAD });
				await settle();
				asked.push(before);
			}
			return asked;
		}

		it("leaves out no message when it loads what follows a jump", async () => {
			const socket = await start(roomInfo({ head: HEAD, n: HEAD, read: HEAD, read_n: HEAD }));
			void client.openRoom(5);
			await answer(socket, 100);
			void client.loadAround(5, 50);
			await answer(socket, 100);
			const islandBefore = room()?.island?.to;
			socket.sent = [];

			void client.loadNewer(5);
			const asked = await answer(socket, 25);

			const shown = room()?.island?.items.map((item) => item.seq) ?? [];
			expect(islandBefore).toBe(74);
			expect(asked).toEqual([175, 150, 125, 100]);
			expect(room()?.island?.to).toBe(174);
			expect(shown).toEqual(Array.from({ length: 174 }, (_, i) => i + 1));
		});

		it("finds the message that is jumped to", async () => {
			const socket = await start(roomInfo({ head: HEAD, n: HEAD, read: HEAD, read_n: HEAD }));
			void client.openRoom(5);
			await answer(socket, 100);
			socket.sent = [];

			const found = client.loadAround(5, 50);
			const asked = await answer(socket, 12);

			expect(await found).toBe(true);
			expect(asked).toEqual([75, 63, 51]);
			expect(room()?.island).toMatchObject({ from: 39, to: 74 });
		});
	});

	describe("while the server cannot reach all of the past", () => {
		const HEAD = 1_050;
		const STORED = 1_000;
		const info = { head: HEAD, n: HEAD, stored: STORED, read: HEAD, read_n: HEAD };
		const at = (seq: number) => posted(seq, seq);
		const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

		/** Answers every request that waits with `page` and, if there is one, `batch`; [type, position] of each. */
		async function answer(
			socket: ScriptedSocket,
			page: (before: number, limit: number) => { messages: number[]; more: boolean; upto: number },
			batch: (after: number, limit: number) => RoomEvent[],
		): Promise<[string, number][]> {
			const asked: [string, number][] = [];
			for (let done = 0; done < socket.sent.length; done++) {
				const frame = socket.sent[done];
				if (frame?.t === "history") {
					const { messages, more, upto } = page(frame.before, frame.limit ?? 50);
					const given = messages.map((seq) => ({ ...at(seq), author: 2, body: `m${seq}` }));
					socket.says({ t: "page", id: frame.id, room: 5, messages: given, more, upto });
					asked.push([frame.t, frame.before]);
				} else if (frame?.t === "sync") {
					const events = batch(frame.after, frame.limit ?? 500);
					socket.says({ t: "batch", id: frame.id, room: 5, events, head: HEAD });
					asked.push([frame.t, frame.after]);
				}
				await settle();
			}
			return asked;
		}

		const storedOnly = (before: number, limit: number) => ({
			messages: range(Math.max(1, Math.min(before, STORED + 1) - limit), Math.min(before - 1, STORED)),
			more: true,
			upto: STORED,
		});
		const whole = (before: number, limit: number) => ({
			messages: range(before - limit, before - 1),
			more: true,
			upto: HEAD,
		});

		async function opened(
			page: Parameters<typeof answer>[1],
			batch: Parameters<typeof answer>[2] = (after, limit) =>
				range(after + 1, Math.min(HEAD, after + limit)).map(at),
		) {
			const socket = await start(roomInfo(info));
			const opening = client.openRoom(5).then(
				() => "opened",
				(error: { code: string }) => error.code,
			);
			const asked = await answer(socket, page, batch);
			return { socket, asked, outcome: await opening };
		}

		it("takes from sync what a page does not reach", async () => {
			const { asked, outcome } = await opened(storedOnly, (after, limit) =>
				range(after + 1, Math.min(HEAD, after + Math.min(limit, 20))).map(at),
			);

			expect(outcome).toBe("opened");
			expect(asked).toEqual([
				["history", 1_051],
				["sync", 1_000],
				["sync", 1_020],
				["sync", 1_040],
			]);
			expect(seqsShown()).toEqual(range(951, 1_050));
		});

		it("applies later changes to what it takes from sync", async () => {
			const changes: Record<number, RoomEvent> = {
				1049: { ...posted(1_049, 1_048), type: "message.edited", data: { target: 1_048, body: "edited" } },
				1050: { ...posted(1_050, 1_048), type: "message.deleted", data: { target: 1_047 } },
			};
			const { outcome } = await opened(storedOnly, (after) =>
				range(after + 1, HEAD).map((seq) => changes[seq] ?? at(seq)),
			);

			expect(outcome).toBe("opened");
			expect(seqsShown()).toEqual(range(951, 1_048));
			expect(room()?.tail?.items.slice(-2)).toMatchObject([{ deleted: true, body: "" }, { body: "edited" }]);
		});

		it("shows nothing rather than a page with a hole, and all of it when asked again", async () => {
			const { socket, outcome } = await opened(storedOnly, () => []);
			const before = seqsShown();
			socket.sent = [];

			const again = client.openRoom(5);
			await answer(socket, whole, () => []);
			await again;

			expect([outcome, before]).toEqual(["unavailable", []]);
			expect(seqsShown()).toEqual(range(1_001, 1_050));
		});

		it("refuses a page that leaves out a message of its own", async () => {
			const { outcome } = await opened((before, limit) => {
				const page = whole(before, limit);
				return { ...page, messages: page.messages.filter((seq) => seq !== 1_020) };
			});

			expect([outcome, seqsShown()]).toEqual(["unavailable", []]);
		});

		it("refuses a page that does not begin where it was asked to", async () => {
			const { outcome } = await opened((before, limit) => ({ ...whole(before - 3, limit), upto: HEAD }));

			expect([outcome, seqsShown()]).toEqual(["unavailable", []]);
		});

		it("refuses an end that is not the beginning of the room", async () => {
			const { outcome } = await opened((before, limit) => ({ ...whole(before, limit), more: false }));

			expect([outcome, seqsShown()]).toEqual(["unavailable", []]);
		});

		it("accepts a number for which a placeholder stands, and shows that", async () => {
			const placeholder: RoomEvent = {
				...posted(1_020, 1_020),
				type: "event.quarantined",
				actor: null,
				data: { original_type: "message.posted" },
			};
			const { asked, outcome } = await opened(
				(before, limit) => {
					const page = whole(before, limit);
					return { ...page, messages: page.messages.filter((seq) => seq !== 1_020) };
				},
				(after) => range(after + 1, 1_030).map((seq) => (seq === 1_020 ? placeholder : at(seq))),
			);

			expect(outcome).toBe("opened");
			expect(asked.at(-1)).toEqual(["sync", 1_019]);
			expect(room()?.tail?.items.find(({ seq }) => seq === 1_020)).toMatchObject({ kind: "system" });
		});

		it("leaves no hole between a jump and what follows it", async () => {
			const { socket } = await opened(whole);
			socket.sent = [];
			const jump = client.loadAround(5, 500);
			await answer(socket, whole, () => []);
			await jump;
			socket.sent = [];

			const newer = client.loadNewer(5).catch((error: { code: string }) => error.code);
			await answer(
				socket,
				(before, limit) => {
					const page = whole(before, limit);
					return { ...page, messages: page.messages.filter((seq) => seq !== 526) };
				},
				(after, limit) => range(after + 1, after + limit).map(at),
			);

			expect(await newer).toBe("unavailable");
			expect(room()?.island?.to).toBe(524);
		});

		it("does not call a message gone that cannot be read at the moment", async () => {
			const { socket } = await opened(whole);
			socket.sent = [];
			const message = client.message(5, 1_010).catch((error: { code: string }) => error.code);
			await answer(
				socket,
				() => ({ messages: [], more: true, upto: STORED }),
				() => [],
			);

			expect(await message).toBe("unavailable");
		});
	});
});
