import { CatchUp } from "./catch-up";
import { Connection, type Link } from "./connection";
import type {
	ErrorCode,
	Limits,
	Marker,
	Ok,
	Presence,
	RoomEvent,
	RoomInfo,
	ServerFrame,
	ThreadNotice,
	ThreadPage,
	UserInfo,
	Welcome,
} from "./frames";
import { fromMessage, type MessageItem } from "./history";
import { HistoryLoader, LARGEST_PAGE, PAGE } from "./history-loader";
import { MarkersByHand, type SetMarker, type SetMarkerStore } from "./markers-by-hand";
import { type Lock, Outbox } from "./outbox";
import type { Intent, OutboxItem, OutboxStore } from "./outbox-store";
import { Requests } from "./requests";
import type { RoomState } from "./room-state";
import * as rooms from "./room-state";
import { SeenConfirmer } from "./seen";
import { uuid7 } from "./uuid7";

/** An acknowledged request whose event has not come back yet. */
export interface Logged {
	item: OutboxItem;
	ok: Ok;
}

/** What the client reports to the page. Each call passes the whole new value. */
export interface ClientListener {
	link(link: Link): void;
	welcomed(welcome: { user: UserInfo; limits: Limits; weakLog: boolean }): void;
	room(id: number, state: RoomState | null): void;
	events(room: number, events: RoomEvent[]): void;
	presence(room: number, online: ReadonlySet<number>): void;
	typingNoticed(room: number, user: number): void;
	/** A report by the person was closed; or, with `waiting`, one came or was closed in a room that they moderate. */
	reportChanged(state: string): void;
	personChanged(user: UserInfo): void;
	/** The person has arranged their list of rooms on some device. */
	arranged(version: number): void;
	outbox(items: OutboxItem[], logged: Logged[]): void;
	/** The person follows, mutes or has read a thread, on any device. */
	threadChanged(notice: ThreadNotice): void;
	/** The server refuses a change of a message that the person asked for. */
	refused(item: OutboxItem, code: ErrorCode, reason?: string): void;
	/** Whether some room is being brought up to date. */
	catchingUp(busy: boolean): void;
}

export interface ClientOptions {
	url: string;
	store: OutboxStore;
	lock: Lock;
	/** Shared by the tabs of one person; null if the browser has none. */
	outboxChannel: BroadcastChannel | null;
	readChannel: BroadcastChannel | null;
	/** See `MarkersByHand`. */
	setMarkers: (markers: SetMarker[]) => Promise<Marker[] | null>;
	setMarkerStore: SetMarkerStore;
	signedIn: () => Promise<boolean>;
	/** The room as the server sees it now; null if the person is no longer in it. */
	roomInfo: (room: number) => Promise<RoomInfo | null>;
	makeSocket?: (url: string) => WebSocket;
}

/** Up to where a room is read; `known`: the marker that the page had when it was there. */
export interface PlaceToRead {
	room: number;
	seq: number;
	known?: Marker;
}

/** What tabs tell each other of what was read. */
type ReadNews = { room: number; seq: number; n: number; setAtMs?: number } | { markers: Marker[] };

const HELLO_MOST_ROOMS = 1_000;
const KEEP_WHEN_LEFT = 200;
const READ_DELAY_MS = 250;
const TYPING_EVERY_MS = 3_000;

/** One person's view of the chat: connects, keeps every room gapless, sends what the outbox holds. */
export class ChatClient {
	readonly rooms = new Map<number, RoomState>();
	link: Link;

	private readonly connection: Connection;
	private readonly requests: Requests;
	private readonly seen: SeenConfirmer;
	private readonly outbox: Outbox;
	private readonly catchUp: CatchUp;
	private readonly history: HistoryLoader;
	private readonly online = new Map<number, Set<number>>();
	/** Restored messages whose text has to be asked for: only PostgreSQL has it, once the event is stored. */
	private restored: { room: number; target: number; seq: number }[] = [];
	private readonly readToSend = new Map<number, { seq: number; setAtMs: number }>();
	private readonly byHand: MarkersByHand;
	private readTimer: ReturnType<typeof setTimeout> | undefined;
	private typingSentAt = new Map<number, number>();
	private waiting: OutboxItem[] = [];
	private logged: Logged[] = [];
	private clockOffsetMs = 0;
	/** Rooms that the server has named on this connection. */
	private listed = new Set<number>();
	private userId: number | null = null;
	private current: number | null = null;

	constructor(
		private readonly options: ClientOptions,
		private readonly listener: ClientListener,
	) {
		this.connection = new Connection(
			options.url,
			{
				positions: () => this.positions(),
				welcomed: (welcome) => this.welcomed(welcome),
				frame: (frame, characters) => this.received(frame, characters),
				lost: () => this.lost(),
				link: (link) => {
					this.link = link;
					listener.link(link);
				},
				signedIn: options.signedIn,
			},
			options.makeSocket,
		);
		this.link = this.connection.link;
		this.requests = new Requests((frame) => this.connection.send(frame));
		this.history = new HistoryLoader(
			this.requests,
			(id) => this.rooms.get(id),
			(id, change) => this.update(id, change),
		);
		this.catchUp = new CatchUp(this.requests, {
			apply: (room, events) => this.apply(room, events),
			newEpoch: (room, epoch, head) => this.resetRoom(room, epoch, head),
			gone: (room) => this.left(room),
			busy: (busy) => listener.catchingUp(busy),
			connected: () => this.connection.online,
		});
		this.seen = new SeenConfirmer((f) => this.connection.send({ t: "seen", f }));
		this.outbox = new Outbox(
			options.store,
			{
				transmit: (request) => this.requests.ask<Ok>(request),
				connected: () => this.connection.online,
				newKey: () => uuid7(this.now()),
				changed: (items) => {
					this.waiting = items;
					this.tellOutbox();
				},
				held: (room, seconds) =>
					this.update(room, (state) => ({ ...state, heldUntil: Date.now() + seconds * 1000 })),
				refused: (item, code, reason) => listener.refused(item, code, reason),
				logged: (item, ok) => this.acknowledged(item, ok),
			},
			options.lock,
			options.outboxChannel,
		);
		if (options.readChannel) {
			options.readChannel.onmessage = ({ data }: MessageEvent<ReadNews>) => {
				if ("markers" in data) this.markersSet(data.markers);
				else this.update(data.room, (state) => rooms.withRead(state, data.seq, data.n, data.setAtMs ?? 0));
			};
		}
		this.byHand = new MarkersByHand(options.setMarkers, options.setMarkerStore, (markers) =>
			this.markersSet(markers),
		);
	}

	async start(): Promise<void> {
		this.connection.start();
		await this.outbox.load();
	}

	stop(): void {
		this.connection.stop();
		this.requests.cutOff();
		this.seen.reset();
		this.catchUp.stop();
		this.byHand.stop();
		clearTimeout(this.readTimer);
	}

	reconnect(): void {
		this.connection.retryNow();
	}

	/** Keeps an intention and sends it as soon as possible. */
	say(intent: Intent): Promise<void> {
		// The message ends the typing notice for others; the next text needs a new one.
		this.typingSentAt.delete(intent.room);
		return this.outbox.add(intent);
	}

	retry(id: string): Promise<void> {
		return this.outbox.retry(id);
	}

	discard(id: string): Promise<boolean> {
		return this.outbox.discard(id);
	}

	/** Starts keeping the room's messages and loads the newest page. Rejects with RequestError. */
	async openRoom(room: number): Promise<void> {
		if (this.current !== room && this.current !== null)
			this.update(this.current, (state) => rooms.trimmed(state, KEEP_WHEN_LEFT));
		this.current = room;
		this.update(room, rooms.opened);
		const state = this.rooms.get(room);
		if (state?.tail?.items.some((item) => item.kind === "message") || state?.tail?.complete) return;
		const wanted = rooms.postedSinceRead(state as RoomState) + 10;
		await this.history.older(room, Math.min(LARGEST_PAGE, Math.max(PAGE, wanted)));
	}

	/** Loads the page before what is shown; true if something came. Rejects with RequestError. */
	loadOlder(room: number): Promise<boolean> {
		return this.history.older(room);
	}

	/** Loads what follows the part of the past that is shown. Rejects with RequestError. */
	loadNewer(room: number): Promise<boolean> {
		return this.history.newer(room);
	}

	/** Makes the message at `seq` part of what is shown, if it exists. Rejects with RequestError. */
	loadAround(room: number, seq: number): Promise<boolean> {
		return this.history.around(room, seq);
	}

	/** One message that need not be shown, for a quote. Rejects with RequestError. */
	async message(room: number, seq: number): Promise<MessageItem | null> {
		const found = await this.history.message(room, seq);
		return found && fromMessage(found.message, found.upto);
	}

	/** Replies of a thread before `before`, as they are now. Rejects with RequestError. */
	thread(room: number, root: number, before: number = Number.MAX_SAFE_INTEGER): Promise<ThreadPage> {
		return this.requests.ask<ThreadPage>({ t: "thread", room, root, before, limit: PAGE });
	}

	/** The person has read the thread up to `seq`. False while there is no connection. */
	threadRead(room: number, root: number, seq: number): boolean {
		return this.connection.send({ t: "thread_read", room, root, seq });
	}

	/** Back to the newest messages. */
	leaveIsland(room: number): void {
		this.update(room, rooms.leftIsland);
	}

	/** The person has seen everything up to `seq`, which is message number `n`. */
	markRead(room: number, seq: number, n: number): void {
		const state = this.rooms.get(room);
		if (!state || seq <= state.read) return;
		this.update(room, (now) => rooms.withRead(now, seq, n));
		const { setAtMs } = state;
		this.options.readChannel?.postMessage({ room, seq, n, setAtMs });
		if (!this.byHand.readOn(room, seq)) this.queueRead(room, seq, setAtMs);
	}

	/** The person says up to where they have read rooms: the markers go there, forward or back. */
	setMarkers(places: PlaceToRead[]): void {
		const known = places.filter(({ room }) => this.rooms.has(room));
		const latest = Math.max(...known.map(({ room }) => this.rooms.get(room)?.setAtMs ?? 0));
		const setAtMs = Math.max(Math.floor(this.now()), latest + 1);
		for (const { room, seq, known: marker } of known) {
			this.readToSend.delete(room);
			this.update(room, (state) =>
				marker
					? rooms.withMarker(state, { ...marker, set_at_ms: setAtMs })
					: rooms.setByHand(state, seq, setAtMs, this.userId),
			);
		}
		const states = known.map(({ room }) => this.rooms.get(room) as RoomState);
		this.options.readChannel?.postMessage({ markers: states.map(rooms.toldMarker) });
		this.byHand.set(known.map(({ room, seq }) => ({ room, seq, setAtMs })));
	}

	private markersSet(markers: Marker[]): void {
		for (const marker of markers) {
			this.forgetReadBefore(marker.room, marker.set_at_ms ?? 0);
			this.update(marker.room, (state) => rooms.withMarker(state, marker));
		}
	}

	/** What was read before the marker was set by hand moves it no more. */
	private forgetReadBefore(room: number, setAtMs: number): void {
		if ((this.readToSend.get(room)?.setAtMs ?? setAtMs) < setAtMs) this.readToSend.delete(room);
	}

	private queueRead(room: number, seq: number, setAtMs: number): void {
		this.readToSend.set(room, { seq, setAtMs });
		this.readTimer ??= setTimeout(() => this.sendRead(), READ_DELAY_MS);
	}

	typing(room: number): void {
		const now = Date.now();
		if (now - (this.typingSentAt.get(room) ?? 0) < TYPING_EVERY_MS) return;
		this.typingSentAt.set(room, now);
		this.connection.send({ t: "typing", room });
	}

	/** Adds a room that the person created or joined over HTTP, before the server's frame reports it. */
	entered(info: RoomInfo): void {
		if (this.rooms.has(info.id)) return;
		this.listed.add(info.id);
		this.catchUp.follow(info.id, info.epoch, info.head);
		this.put(info.id, rooms.fromInfo(info));
	}

	left(room: number): void {
		this.catchUp.forget(room);
		this.online.delete(room);
		if (this.current === room) this.current = null;
		if (this.rooms.delete(room)) this.listener.room(room, null);
	}

	/** The server's clock, in ms. */
	now(): number {
		return Date.now() + this.clockOffsetMs;
	}

	private positions(): Record<string, { epoch: number; seq: number }> {
		const open = [...this.rooms.values()].filter((state) => state.tail !== null).slice(0, HELLO_MOST_ROOMS);
		return Object.fromEntries(open.map((state) => [state.id, { epoch: state.epoch, seq: state.last }]));
	}

	private welcomed(welcome: Welcome): void {
		this.clockOffsetMs = Date.parse(welcome.time) - Date.now();
		this.userId = welcome.user.id;
		this.seen.reset();
		this.listed = new Set();
		this.list(welcome.rooms, welcome.more ?? false);
		// After the rooms: what the page asks for next depends on the person's role in them.
		this.listener.welcomed({
			user: welcome.user,
			limits: welcome.limits,
			weakLog: welcome.weak_log ?? false,
		});
		this.sendRead();
		this.byHand.resume();
		this.outbox.resume();
	}

	/** Takes in a part of the list of rooms; after the last part, rooms that were in none are no longer the person's. */
	private list(infos: RoomInfo[], more: boolean): void {
		for (const info of infos) this.describe(info);
		if (more) return;
		for (const room of [...this.rooms.keys()]) if (!this.listed.has(room)) this.left(room);
	}

	private describe(info: RoomInfo): void {
		this.listed.add(info.id);
		const before = this.rooms.get(info.id);
		const state = before ? rooms.reconnected(before, info) : rooms.fromInfo(info);
		this.catchUp.follow(info.id, state.epoch, state.last, info.head);
		this.put(info.id, state);
		this.refreshRestored(info.id);
		this.forgetReadBefore(info.id, info.set_at_ms ?? 0);
		const waiting = this.byHand.of(info.id);
		if (waiting) {
			const { seq, setAtMs } = waiting;
			this.update(info.id, (now) => rooms.setByHand(now, seq, setAtMs, this.userId));
		} else if (state.read > info.read && state.setAtMs === (info.set_at_ms ?? 0))
			this.queueRead(info.id, state.read, state.setAtMs);
		this.dropArrived(info.id);
		if (this.current === info.id && state.tail === null) this.reopen(info.id);
	}

	private lost(): void {
		this.requests.cutOff();
		this.seen.reset();
		this.catchUp.stop();
		this.typingSentAt.clear();
		for (const room of this.online.keys()) this.listener.presence(room, new Set());
		this.online.clear();
	}

	private received(frame: ServerFrame, characters: number): void {
		switch (frame.t) {
			case "events":
				this.catchUp.accept(frame.room, frame.events);
				this.seen.received(frame.f, characters);
				break;
			case "ok":
			case "page":
			case "thread_page":
			case "batch":
				this.requests.answered(frame);
				break;
			case "error":
				this.requests.refused(frame);
				break;
			case "stored":
				for (const [room, seq] of Object.entries(frame.rooms)) {
					this.update(Number(room), (state) => rooms.withStored(state, seq));
					this.refreshRestored(Number(room));
				}
				break;
			case "heads":
				for (const [room, [epoch, head]] of Object.entries(frame.rooms))
					this.catchUp.heard(Number(room), epoch, head);
				break;
			case "reset":
				this.resetRoom(frame.room, frame.epoch, frame.head);
				break;
			case "rooms":
				this.list(frame.rooms, frame.more);
				break;
			case "room":
				this.describe(frame.room);
				break;
			case "read":
				this.update(frame.room, (state) => rooms.withRead(state, frame.seq, frame.n, frame.set_at_ms ?? 0));
				break;
			case "markers":
				this.markersSet(frame.markers);
				break;
			case "thread":
				this.listener.threadChanged(frame);
				break;
			case "presence":
				this.presence(frame);
				break;
			case "typing":
				this.listener.typingNoticed(frame.room, frame.user);
				break;
			case "report":
				this.listener.reportChanged(frame.state);
				break;
			case "person":
				this.listener.personChanged(frame.user);
				break;
			case "arranged":
				this.listener.arranged(frame.version);
				break;
			case "pong":
				this.clockOffsetMs = Date.parse(frame.time) - Date.now();
				break;
			default:
			// A frame from a newer server.
		}
	}

	private apply(room: number, events: RoomEvent[]): void {
		this.update(room, (state) => rooms.applyEvents(state, events, this.userId));
		this.dropArrived(room);
		this.listener.events(room, events);
		for (const event of events) this.consequences(room, event);
	}

	private consequences(room: number, event: RoomEvent): void {
		const leaves = event.type === "member.left" || event.type === "member.removed";
		if (leaves && event.data.user === this.userId) this.left(room);
		if (this.userId !== null) {
			const me = this.userId;
			this.update(room, (state) => rooms.withStanding(state, event, me));
		}
		// The limits may be gone now; the server says so if they are not.
		if (event.type === "room.updated" || event.type === "member.joined") this.outbox.release(room);
		if (event.type === "message.restored") {
			this.restored.push({ room, target: Number(event.data.target), seq: event.seq });
			this.refreshRestored(room);
		}
	}

	private refreshRestored(room: number): void {
		const stored = this.rooms.get(room)?.stored ?? 0;
		const ready = this.restored.filter((one) => one.room === room && one.seq <= stored);
		this.restored = this.restored.filter((one) => !ready.includes(one));
		for (const { target } of ready) void this.history.refresh(room, target);
	}

	private resetRoom(room: number, epoch: number, head: number): void {
		this.catchUp.follow(room, epoch, head);
		this.update(room, (state) => rooms.reset(state, epoch, head));
		const read = this.readToSend.get(room);
		if (read && read.seq > head) this.readToSend.set(room, { ...read, seq: head });
		this.dropArrived(room);
		if (this.current === room) this.reopen(room);
		// Only the server knows how many messages there are now.
		void this.options.roomInfo(room).then((info) => {
			if (info === null) this.left(room);
			else this.update(room, (state) => rooms.recounted(state, info));
		});
	}

	private reopen(room: number): void {
		this.openRoom(room).catch(() => {
			// The page offers to load again.
		});
	}

	private presence(frame: Presence): void {
		const online = new Set(frame.full ? [] : this.online.get(frame.room));
		for (const user of frame.online ?? []) online.add(user);
		for (const user of frame.offline ?? []) online.delete(user);
		this.online.set(frame.room, online);
		this.listener.presence(frame.room, online);
	}

	private acknowledged(item: OutboxItem, ok: Ok): void {
		this.logged = [...this.logged.filter((other) => other.item.id !== item.id), { item, ok }];
		this.dropArrived(ok.room);
		// A repeated request is answered with its first place, which may belong to an old epoch.
		if (ok.epoch === this.rooms.get(ok.room)?.epoch) this.catchUp.heard(ok.room, ok.epoch, ok.seq);
	}

	/** Forgets acknowledged requests whose events have been applied, or will not come because their epoch is over. */
	private dropArrived(room: number): void {
		const state = this.rooms.get(room);
		const coming = (ok: Ok) =>
			state !== undefined && (ok.epoch > state.epoch || (ok.epoch === state.epoch && ok.seq > state.last));
		const left = this.logged.filter(({ ok }) => ok.room !== room || coming(ok));
		if (left.length !== this.logged.length) {
			this.logged = left;
			this.tellOutbox();
		}
	}

	private tellOutbox(): void {
		const done = new Set(this.logged.map(({ item }) => item.id));
		this.listener.outbox(
			this.waiting.filter((item) => !done.has(item.id)),
			this.logged,
		);
	}

	private sendRead(): void {
		clearTimeout(this.readTimer);
		this.readTimer = undefined;
		// A server that knows no `set_at_ms` would refuse it.
		for (const [room, { seq, setAtMs }] of this.readToSend)
			if (this.connection.send({ t: "read", room, seq, ...(setAtMs > 0 ? { set_at_ms: setAtMs } : {}) }))
				this.readToSend.delete(room);
	}

	private update(room: number, change: (state: RoomState) => RoomState): void {
		const before = this.rooms.get(room);
		if (!before) return;
		const after = change(before);
		if (after !== before) this.put(room, after);
	}

	private put(room: number, state: RoomState): void {
		this.rooms.set(room, state);
		this.listener.room(room, state);
	}
}
