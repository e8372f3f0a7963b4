import { getContext, setContext, untrack } from "svelte";
import { SvelteMap, SvelteSet } from "svelte/reactivity";
import { ChatClient, type ClientListener, type Logged, type PlaceToRead } from "../client/chat-client";
import type { Link } from "../client/connection";
import type {
	ErrorCode,
	Limits,
	Marker,
	Mentions as Named,
	RoomEvent,
	RoomInfo,
	ThreadNotice,
	UserInfo,
} from "../client/frames";
import type { MessageItem } from "../client/history";
import type { SetMarker } from "../client/markers-by-hand";
import type { Lock } from "../client/outbox";
import {
	IndexedDbOutboxStore,
	type Intent,
	inTime,
	isMessage,
	type OutboxItem,
	ResilientOutboxStore,
} from "../client/outbox-store";
import { RequestError } from "../client/requests";
import { type RoomState, unread, unreadMentions } from "../client/room-state";
import { isolated } from "../format";
import type { Words } from "../i18n/en";
import { t } from "../i18n/index.svelte";
import { lookingAlike } from "../look-alikes";
import type { Chip } from "../mention-chips";
import type { Sign } from "../mention-text";
import { mayPostAt, moderates } from "../moderation";
import type { Banned } from "../moderation-rest";
import { Rest, RestError } from "../rest";
import { Arrangement } from "./arrangement.svelte";
import { Composings } from "./composing.svelte";
import { Drafts } from "./drafts";
import { KeptMarkers } from "./kept-markers";
import { Mentions } from "./mentions.svelte";
import { People, shownName } from "./people.svelte";
import type { Places } from "./places";
import { Reports } from "./reports.svelte";
import { RoomMembers } from "./room-members.svelte";
import { addressOf } from "./route.svelte";
import { Threads } from "./threads.svelte";
import { toasts } from "./toasts.svelte";
import { Typing } from "./typing.svelte";

/** What the server put into the page; nothing secret. */
export interface PageConfig {
	user: UserInfo;
	/** Whether they see the numbers of all rooms, not only of rooms that they own. */
	seesAnalytics: boolean;
	csrfToken: string;
	urls: {
		signIn: string;
		signOut: string;
		name: string;
		email: string;
		password: string;
		secondFactor: string;
		sessions: string;
		tokens: string;
		admin: string;
		analytics: string;
	};
}

export const BANNED_PAGE = 100;
/** How often a hidden page shows changes. */
const HIDDEN_LOOK_MS = 250;

const DEFAULT_LIMITS: Limits = {
	frame_bytes: 65_536,
	body_characters: 8_000,
	unseen_bytes: 1_000_000,
	sends_per_second: 5,
	sends_burst: 20,
};

/** Without Web Locks (plain HTTP on a LAN) each tab sends independently; keys make repeats harmless. */
const withLock: Lock = async (name, work) => {
	if (navigator.locks) await navigator.locks.request(name, work);
	else await work();
};

/** The client's state as the components see it, and the actions that they can request. */
export class Chat implements ClientListener {
	readonly rooms = new SvelteMap<number, RoomState>();
	readonly online = new SvelteMap<number, ReadonlySet<number>>();
	readonly members: RoomMembers;
	private readonly quotes = new SvelteMap<string, MessageItem | null>();
	private readonly quotesAsked = new Set<string>();
	connection = $state.raw<Link>({ phase: "connecting", attempt: 0 });
	waiting = $state.raw<OutboxItem[]>([]);
	logged = $state.raw<Logged[]>([]);
	/** Unsent items that could not be saved in this browser: they are lost with the page. */
	notKept = $state(0);
	limits = $state.raw<Limits>(DEFAULT_LIMITS);
	weakLog = $state(false);
	busy = $state(false);
	/** The list of rooms has come at least once. */
	ready = $state(false);
	/** There are rooms beyond the list; null before the server has been asked. */
	hasFurther = $state<boolean | null>(null);

	readonly me: number;
	readonly typing = new Typing();
	readonly people: People;
	readonly drafts: Drafts;
	readonly composing: Composings;
	/** Addresses of rooms that the person was removed from while this page was open: joining is not offered. */
	readonly putOutOf = new SvelteSet<string>();
	readonly places: Places = new Map();
	readonly reports: Reports;
	readonly threads: Threads;
	readonly mentions: Mentions;
	readonly arrangement: Arrangement;
	readonly rest: Rest;
	private client: ChatClient | undefined;

	constructor(readonly page: PageConfig) {
		this.me = page.user.id;
		this.rest = new Rest(page.csrfToken);
		this.people = new People((ids) => this.rest.users(ids));
		this.people.learn(page.user);
		this.members = new RoomMembers(
			this.me,
			async (room, after, limit, which) => {
				const found = await this.rest.members(room, after, limit, which);
				this.people.learn(...found.map((member) => member.user));
				return found;
			},
			// Effects that load members must not run again after each message.
			(room) => untrack(() => this.changed.get(room) ?? this.rooms.get(room)),
		);
		this.drafts = new Drafts(page.user.id);
		this.composing = new Composings(this.drafts);
		this.threads = new Threads({
			me: this.me,
			page: (room, root, before) =>
				this.client?.thread(room, root, before) ?? Promise.reject(new Error("not started")),
			read: (room, root, seq) => this.client?.threadRead(room, root, seq) ?? false,
			follow: (room, root, following) => this.rest.followThread(room, root, following),
			followed: (cursor) => this.rest.threads(cursor),
		});
		this.mentions = new Mentions({
			page: (cursor) => this.rest.mentions(cursor),
			groups: () => this.rest.groups(),
		});
		this.arrangement = new Arrangement(this.rest, `veche:arrangement:${this.me}`, (error) =>
			toasts.show(explain(error), "error"),
		);
		this.reports = new Reports(this.rest.moderation, () =>
			[...this.rooms.values()].some((room) => moderates(room.role)),
		);
	}

	async start(): Promise<void> {
		const disk = await inTime(IndexedDbOutboxStore.open(this.me)).catch(() => null);
		const store = new ResilientOutboxStore(disk, (items) => {
			this.notKept = items;
		});
		addEventListener("beforeunload", (event) => {
			if (this.notKept > 0) event.preventDefault();
		});
		const scheme = location.protocol === "https:" ? "wss" : "ws";
		this.client = new ChatClient(
			{
				url: `${scheme}://${location.host}/ws/chat/`,
				store,
				lock: (name, work) => withLock(`${name}-${this.me}`, work),
				outboxChannel: new BroadcastChannel(`veche-outbox-${this.me}`),
				readChannel: new BroadcastChannel(`veche-read-${this.me}`),
				setMarkers: (markers) => this.sendMarkers(markers),
				setMarkerStore: new KeptMarkers(this.me),
				signedIn: () => this.rest.signedIn(),
				roomInfo: (room) => this.rest.room(room),
			},
			this,
		);
		await this.client.start();
	}

	// --- Reports from the client ---

	link(link: Link): void {
		this.connection = link;
	}

	welcomed(welcome: { user: UserInfo; limits: Limits; weakLog: boolean }): void {
		// Somebody else signed in in another tab: this page's outbox and drafts are not theirs.
		if (welcome.user.id !== this.me) location.reload();
		this.people.learn(welcome.user);
		this.limits = welcome.limits;
		this.weakLog = welcome.weakLog;
		this.ready = true;
		this.reports.start();
		this.threads.connected();
		this.mentions.connected();
		void this.arrangement.refresh();
		if (this.hasFurther === null) this.lookForFurther();
	}

	private lookForFurther(): void {
		this.hasFurther = false;
		this.rest
			.furtherRooms("", 0, 1)
			.then((rooms) => {
				this.hasFurther = rooms.length > 0;
			})
			.catch(() => {
				this.hasFurther = null; // the next connection asks again
			});
	}

	room(id: number, state: RoomState | null): void {
		if (state === null) {
			this.changed.delete(id);
			this.rooms.delete(id);
			this.online.delete(id);
			this.members.forget(id);
			this.banned.delete(id);
			this.composing.forget(id);
			this.places.delete(id);
			for (const key of [...this.quotes.keys()].filter((one) => one.startsWith(`${id}-`))) {
				this.quotesAsked.delete(key);
				this.quotes.delete(key);
			}
			return;
		}
		const before = untrack(() => this.changed.get(id) ?? this.rooms.get(id));
		// What the room was described with is older than what was heard of the person since.
		if (state.peer && state.peer !== before?.peer) this.people.learn(state.peer);
		if (before === undefined) {
			this.putOutOf.delete(state.slug);
			this.rooms.set(id, state);
			return;
		}
		this.changed.set(id, state);
		this.members.changed(id);
		this.nextFrame ??= requestAnimationFrame(this.showChanged);
		// No frame is drawn while the page is hidden, but its title still shows the count.
		this.nextLook ??= setTimeout(this.showChanged, HIDDEN_LOOK_MS);
	}

	/** Rooms that changed since the last frame: changes within one frame are drawn together. */
	private readonly changed = new Map<number, RoomState>();
	private nextFrame: number | undefined;
	private nextLook: ReturnType<typeof setTimeout> | undefined;

	private readonly showChanged = (): void => {
		if (this.nextFrame !== undefined) cancelAnimationFrame(this.nextFrame);
		clearTimeout(this.nextLook);
		this.nextFrame = this.nextLook = undefined;
		for (const [id, state] of this.changed) this.rooms.set(id, state);
		this.changed.clear();
	};

	/** After `work` the components see what it changed. */
	private async shown<T>(work: Promise<T> | undefined, otherwise: T): Promise<T> {
		try {
			return work === undefined ? otherwise : await work;
		} finally {
			this.showChanged();
		}
	}

	threadChanged(notice: ThreadNotice): void {
		this.threads.noticed(notice);
	}

	events(room: number, events: RoomEvent[]): void {
		this.threads.happened(room, events);
		for (const event of events) {
			if ((event.type === "message.posted" || event.type === "reply.posted") && event.actor !== null)
				this.typing.ended(room, event.actor);
			this.members.happened(room, event);
			this.bans(room, event);
			this.putOut(room, event);
			this.forgetQuote(room, event);
		}
	}

	/** A quoted message that changed is asked for again. */
	private forgetQuote(room: number, { type, data }: RoomEvent): void {
		if (!/^message\.(?:edited|deleted|restored)$/.test(type)) return;
		const key = `${room}-${Number(data.target)}`;
		this.quotesAsked.delete(key);
		this.quotes.delete(key);
	}

	presence(room: number, online: ReadonlySet<number>): void {
		this.online.set(room, new Set(online));
	}

	typingNoticed(room: number, user: number): void {
		if (user !== this.me) this.typing.noticed(room, user);
	}

	personChanged(user: UserInfo): void {
		this.people.learn(user);
	}

	arranged(version: number): void {
		void this.arrangement.refresh(version);
	}

	reportChanged(state: string): void {
		const asked = state === "waiting" ? this.reports.refreshWaiting() : this.reports.refreshMine();
		void asked.catch(() => {
			// The next attempt will do.
		});
	}

	outbox(items: OutboxItem[], logged: Logged[]): void {
		// A message that leaves the outbox appears in its room in the same frame.
		this.showChanged();
		this.waiting = items;
		this.logged = logged;
	}

	refused({ intent }: OutboxItem, code: ErrorCode, reason?: string): void {
		if (isMessage(intent)) return;
		const words = t();
		toasts.show(`${words.changeRefused[intent.t]} ${this.whyRefused(intent, code, reason)}`, "error");
	}

	/** Why the server refused a request, in words. If the room is open, `not_found` is about a message. */
	whyRefused(intent: Intent, code: ErrorCode, reason?: string): string {
		const words = t();
		if (reason?.startsWith("mentions")) return words.reasons[reason as keyof typeof words.reasons];
		if (code !== "not_found") return words.errors[code];
		if (!isMessage(intent)) return words.messageGone;
		if (intent.t === "reply" && intent.reply_to === null) return words.messageGone;
		return intent.reply_to == null ? words.errors.not_found : words.replyGone;
	}

	catchingUp(busy: boolean): void {
		this.busy = busy;
	}

	// --- Read by the components ---

	bySlug(slug: string): RoomState | undefined {
		for (const room of this.rooms.values()) if (room.slug === slug) return room;
		return undefined;
	}

	/** Rooms whose names look like another room's: a string, so that readers are notified only of changes. */
	private readonly alike = $derived.by(() => {
		const rooms = [...this.rooms.values()].filter((room) => room.kind !== "direct");
		return ` ${lookingAlike(rooms).join(" ")} `;
	});

	/**
	 * A room's displayed name: a direct conversation has the other person's name, and rooms whose
	 * names look alike have their address beside it.
	 */
	titleOf(room: RoomState): string {
		const peer = this.peerOf(room);
		if (room.kind === "direct" && peer) return shownName(peer);
		return this.alike.includes(` ${room.id} `) ? `${isolated(room.name)} (${room.slug})` : room.name;
	}

	/** The other person of a direct conversation, as last reported. */
	peerOf(room: RoomState): UserInfo | null {
		return room.peer && (this.people.get(room.peer.id) ?? room.peer);
	}

	nameOf(user: number | null, words: Words = t()): string {
		if (user === null) return words.system;
		const person = this.people.get(user);
		return person ? shownName(person) : words.someone;
	}

	/** A room's name as it is written in a sentence. */
	placeOf(room: number): string {
		const state = this.rooms.get(room);
		if (!state) return t().someRoom;
		return state.kind === "direct" ? this.titleOf(state) : `#${this.titleOf(state)}`;
	}

	/** When the person may post again in a room with slow mode, in ms by this computer's clock; 0: now. */
	mayPostAt(room: RoomState): number {
		const offset = (this.client?.now() ?? Date.now()) - Date.now();
		const at = mayPostAt(room, this.me, this.logged, offset);
		return at === 0 ? 0 : at - offset;
	}

	/** The server's clock, in ms. */
	now(): number {
		return this.client?.now() ?? Date.now();
	}

	unreadIn(room: RoomState): number {
		return unread(room);
	}

	mentionsIn(room: RoomState): number {
		return unreadMentions(room);
	}

	/** How a name in a text is shown if it is mentioned: by its present name. Null for other text. */
	chipOf(named: Named, sign: Sign, name: string): Chip | null {
		const { people = {}, groups = {}, rooms = {}, all = null } = named;
		if (sign === "#") {
			// Nobody learns of a room that they are not in.
			const room = Object.hasOwn(rooms, name) ? this.rooms.get(rooms[name] as number) : undefined;
			return room ? { text: this.placeOf(room.id), mine: false, href: addressOf(room.slug) } : null;
		}
		if (all !== null && (name === "room" || name === "here")) return { text: `@${name}`, mine: true };
		if (Object.hasOwn(people, name)) {
			const user = this.people.get(people[name] as number);
			return {
				text: `@${user?.name ?? name}`,
				mine: people[name] === this.me,
				title: `@${user?.username ?? name}`,
			};
		}
		if (!Object.hasOwn(groups, name)) return null;
		const id = groups[name] as number;
		return {
			text: `@${this.mentions.handleOf(id, name)}`,
			mine: this.mentions.groups.some((group) => group.id === id && group.mine),
			title: t().mentions.group,
		};
	}

	/** The people of the room who are online now; the reader while connected. */
	onlineIn(room: number): ReadonlySet<number> {
		const others = this.online.get(room) ?? [];
		return new Set(this.connection.phase === "online" ? [...others, this.me] : others);
	}

	isOnline(user: number): boolean {
		for (const people of this.online.values()) if (people.has(user)) return true;
		return false;
	}

	// --- Requested by the components ---

	/** Rejects with RequestError if the first page cannot be loaded. */
	openRoom(room: number): Promise<void> {
		return this.shown(this.client?.openRoom(room), undefined);
	}

	loadOlder(room: number): Promise<boolean> {
		return this.shown(this.client?.loadOlder(room), false);
	}

	loadNewer(room: number): Promise<boolean> {
		return this.shown(this.client?.loadNewer(room), false);
	}

	loadAround(room: number, seq: number): Promise<boolean> {
		return this.shown(this.client?.loadAround(room, seq), false);
	}

	leaveIsland(room: number): void {
		this.client?.leaveIsland(room);
		this.showChanged();
	}

	markRead(room: number, seq: number, n: number): void {
		this.client?.markRead(room, seq, n);
	}

	/** Everything from the message at `seq` on is unread. */
	markUnread(room: number, seq: number): void {
		this.setMarkers([{ room, seq: seq - 1 }]);
	}

	/** Says up to where the person has read these rooms. */
	setMarkers(places: PlaceToRead[]): void {
		this.client?.setMarkers(places);
		this.showChanged();
	}

	/** Null if the server refuses them for good. Rejects if they should be sent again. */
	private async sendMarkers(markers: SetMarker[]): Promise<Marker[] | null> {
		try {
			return await this.rest.setMarkers(markers);
		} catch (error) {
			// What the server says of the request itself it says again.
			if (error instanceof RestError && [400, 403, 422].includes(error.status)) return null;
			throw error;
		}
	}

	writing(room: number): void {
		this.client?.typing(room);
	}

	say(intent: Intent): Promise<void> {
		return this.client?.say(intent) ?? Promise.reject(new Error("not started"));
	}

	retry(id: string): void {
		void this.client?.retry(id);
	}

	async discard(id: string): Promise<void> {
		if (await this.client?.discard(id)) toasts.show(t().withdrawn);
	}

	reconnect(): void {
		this.client?.reconnect();
	}

	entered(info: RoomInfo): void {
		this.client?.entered(info);
	}

	/** Adds a room from beyond the list to it. Rejects with RestError. */
	async show(room: number): Promise<RoomInfo> {
		const info = await this.rest.show(room);
		this.entered(info);
		return info;
	}

	/** Adds the room at an address to the list, if the person is in it and it is beyond the list. */
	async showBySlug(slug: string): Promise<void> {
		const found = await this.rest.furtherRooms(slug, 0, 1);
		if (found[0]?.slug === slug) await this.show(found[0].id);
	}

	left(room: number): void {
		this.client?.left(room);
	}

	/** A message that is quoted but not loaded; null while it is being asked for or if there is none. */
	quoted(room: number, seq: number): MessageItem | null {
		const key = `${room}-${seq}`;
		const known = this.quotes.get(key);
		if (known === undefined && !this.quotesAsked.has(key) && this.client) {
			this.quotesAsked.add(key);
			this.client
				.message(room, seq)
				.then((message) => void this.quotes.set(key, message))
				.catch(() => void this.quotesAsked.delete(key));
		}
		return known ?? null;
	}

	/** The people banned from a room, for its owners and moderators; `end`: the last of the page, if more follow. */
	readonly banned = new SvelteMap<number, { list: Banned[]; end: string | null }>();

	/** Loads the first page, or the next. Rejects with RestError. */
	async loadBanned(room: number, more = false): Promise<void> {
		const before = more ? untrack(() => this.banned.get(room)) : undefined;
		const page = await this.rest.moderation.banned(room, before?.end ?? "", BANNED_PAGE);
		this.people.learn(...page.map((one) => one.user));
		if (!this.rooms.has(room)) return;
		const ids = new Set(page.map((one) => one.user.id));
		const list = [...(before?.list.filter((one) => !ids.has(one.user.id)) ?? []), ...page];
		const end = page.length === BANNED_PAGE ? (page.at(-1)?.user.username ?? null) : null;
		this.banned.set(room, { list, end });
	}

	/** Adds banned people whose names contain `text` to the list, at most a page of them. Rejects with RestError. */
	async findBanned(room: number, text: string): Promise<void> {
		const page = await this.rest.moderation.banned(room, "", BANNED_PAGE, text);
		const known = this.banned.get(room);
		if (!known) return;
		this.people.learn(...page.map((one) => one.user));
		const ids = new Set(known.list.map((one) => one.user.id));
		this.banned.set(room, {
			...known,
			list: [...known.list, ...page.filter((one) => !ids.has(one.user.id))],
		});
	}

	/** A moderation act was done: asks again for what depends on it. */
	acted(): void {
		void this.reports.refreshWaiting().catch(() => {
			// The next attempt will do.
		});
	}

	/** Runs an action; a refusal becomes a toast, and the result is undefined. */
	async attempt<T>(action: Promise<T>): Promise<T | undefined> {
		try {
			return await action;
		} catch (error) {
			toasts.show(explain(error), "error");
			return undefined;
		}
	}

	/** Keeps the list of bans that was asked for. */
	private bans(room: number, event: RoomEvent): void {
		const known = this.banned.get(room);
		const data = event.data as { user?: number; banned?: boolean };
		const comesIn = event.type === "member.joined";
		if (!known || data.user === undefined || !(comesIn || data.banned !== undefined)) return;
		const others = known.list.filter((one) => one.user.id !== data.user);
		const user = this.people.get(data.user);
		const one = data.banned && user ? [{ user, at: event.at, by: event.actor, reason: "" }] : [];
		this.banned.set(room, { ...known, list: [...one, ...others] });
	}

	/** Says why a room has left the list. */
	private putOut(room: number, event: RoomEvent): void {
		const state = this.rooms.get(room);
		if (event.type !== "member.removed" || event.data.user !== this.me || !state) return;
		this.putOutOf.add(state.slug);
		const { out } = t().moderation;
		toasts.show((event.data.banned ? out.banned : out.removed)(this.placeOf(room)));
	}
}

/** A refusal in the reader's language. */
export function explain(error: unknown): string {
	const { errors, reasons } = t();
	if (error instanceof RequestError) return errors[error.code];
	if (error instanceof RestError) {
		// The server's own texts are in English, and for developers of clients.
		const because = reasons[error.reason as keyof typeof reasons];
		return because ?? errors[error.code as keyof typeof errors] ?? errors.unknown;
	}
	return errors.unknown;
}

/** The context key under which components find the chat. */
export const CHAT = Symbol("chat");

export function provideChat(chat: Chat): void {
	setContext(CHAT, chat);
}

export function useChat(): Chat {
	return getContext<Chat>(CHAT);
}
