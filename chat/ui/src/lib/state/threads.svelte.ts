import { SvelteMap } from "svelte/reactivity";
import type { RoomEvent, ThreadNotice, ThreadPage } from "../client/frames";
import { threadOf } from "../client/history";
import { mentionsIn } from "../client/mentions";
import { rootOf, type ThreadState, withEvents, withNewest, withOlder } from "../client/thread-state";
import type { FollowedThread, FollowedThreads } from "../rest";

/** What threads need of the chat. */
export interface ThreadSource {
	me: number;
	page(room: number, root: number, before?: number): Promise<ThreadPage>;
	read(room: number, root: number, seq: number): boolean;
	follow(room: number, root: number, following: boolean): Promise<ThreadNotice>;
	followed(cursor: string | null): Promise<FollowedThreads>;
}

/** Events kept for pages that are older than they are. */
const MOST_RECENT = 500;
const RETRY_MS = 3_000;
/** How long after a reply in an unknown thread the server is asked whether the person follows it, in ms. */
const LOOK_AFTER_MS = 5_000;
const LOOK_SPREAD_MS = 25_000;

function posts(event: RoomEvent): boolean {
	return (event.type === "reply.posted" || event.type === "message.posted") && threadOf(event) !== null;
}

/** The thread that is open beside its room. */
export class OpenThread {
	state = $state.raw<ThreadState | null>(null);
	status = $state<"loading" | "ready" | "failed">("loading");
	loadingOlder = $state(false);
	private recent: RoomEvent[] = [];
	private retry: ReturnType<typeof setTimeout> | undefined;
	private closed = false;

	constructor(
		readonly room: number,
		readonly root: number,
		private readonly source: ThreadSource,
		private readonly learned: (page: ThreadPage) => void,
	) {}

	/** Loads the newest page; again after each connection, since it may have missed events. */
	async load(): Promise<void> {
		clearTimeout(this.retry);
		if (this.status === "failed") this.status = "loading";
		try {
			const page = await this.source.page(this.room, this.root);
			this.state = withNewest(this.state, page, this.recent);
			this.status = "ready";
			this.learned(page);
		} catch (error) {
			const gone = (error as { code?: string }).code === "not_found";
			if (this.state === null) this.status = "failed";
			if (!gone && !this.closed) this.retry = setTimeout(() => void this.load(), RETRY_MS);
		}
	}

	/** Rejects with RequestError. */
	async loadOlder(): Promise<void> {
		const first = this.state?.segment.items.find((item) => item.seq !== this.root);
		if (!first || this.state?.segment.complete || this.loadingOlder) return;
		this.loadingOlder = true;
		try {
			const page = await this.source.page(this.room, this.root, first.seq);
			if (this.state) this.state = withOlder(this.state, page, this.recent);
		} finally {
			this.loadingOlder = false;
		}
	}

	happened(events: RoomEvent[]): void {
		this.recent = [...this.recent, ...events].slice(-MOST_RECENT);
		if (this.state) this.state = withEvents(this.state, events);
	}

	/** The seq of the newest reply; the root's if there is none. */
	get newest(): number {
		return this.state?.segment.items.at(-1)?.seq ?? this.root;
	}

	close(): void {
		this.closed = true;
		clearTimeout(this.retry);
	}
}

/** The threads of one person: the open one, and which they follow and have not read. */
export class Threads {
	open = $state.raw<OpenThread | null>(null);
	/** A part of the list, as it was when it was asked for; null before. */
	list = $state.raw<FollowedThread[] | null>(null);
	failed = $state(false);
	private next = $state.raw<string | null>(null);
	/** Whether the person follows a thread, by `<room>-<root>`; null: they have not decided. */
	private readonly following = new SvelteMap<string, boolean | null>();
	private readonly reads = new Map<string, number>();
	/** Threads with unread replies; and how many more there are beyond the list. */
	private readonly unreadOnes = new SvelteMap<string, number>();
	private further = $state(0);
	private look: ReturnType<typeof setTimeout> | undefined;
	/** The list is on the page, so it follows at once. */
	private watched = false;

	constructor(private readonly source: ThreadSource) {}

	/** How many followed threads have replies that the person has not read. */
	get unread(): number {
		return this.unreadOnes.size + this.further;
	}

	get hasMore(): boolean {
		return this.next !== null;
	}

	follows(room: number, root: number): boolean {
		return this.following.get(`${room}-${root}`) ?? false;
	}

	unreadIn(room: number, root: number): number {
		return this.unreadOnes.get(`${room}-${root}`) ?? 0;
	}

	readOf(room: number, root: number): number {
		return this.reads.get(`${room}-${root}`) ?? 0;
	}

	show(room: number, root: number): OpenThread {
		if (this.open?.room === room && this.open.root === root) return this.open;
		this.close();
		const opened = new OpenThread(room, root, this.source, (page) => this.learn(page));
		this.open = opened;
		void opened.load();
		return opened;
	}

	close(): void {
		this.open?.close();
		this.open = null;
	}

	/** A connection is there: what happened without one is asked for. */
	connected(): void {
		void this.open?.load();
		void this.refresh();
	}

	/** While the returned function has not been called, the list is shown and kept up to date. */
	watch(): () => void {
		this.watched = true;
		void this.refresh();
		return () => {
			this.watched = false;
		};
	}

	async refresh(): Promise<void> {
		clearTimeout(this.look);
		this.look = undefined;
		try {
			const page = await this.source.followed(null);
			this.list = page.threads;
			this.next = page.next;
			this.failed = false;
			this.unreadOnes.clear();
			this.take(page.threads);
			this.further = Math.max(0, page.unread - this.unreadOnes.size);
		} catch {
			this.failed = this.list === null;
		}
	}

	/** Rejects with RestError. */
	async more(): Promise<void> {
		if (this.next === null) return;
		const page = await this.source.followed(this.next);
		const before = this.unreadOnes.size;
		const known = new Set((this.list ?? []).map((one) => `${one.room}-${one.root}`));
		this.list = [
			...(this.list ?? []),
			...page.threads.filter((one) => !known.has(`${one.room}-${one.root}`)),
		];
		this.next = page.next;
		this.take(page.threads);
		this.further = Math.max(0, this.further - (this.unreadOnes.size - before));
	}

	happened(room: number, events: RoomEvent[]): void {
		if (this.open?.room === room) this.open.happened(events);
		for (const event of events) if (posts(event)) this.replied(room, event);
	}

	private replied(room: number, event: RoomEvent): void {
		const root = threadOf(event) as number;
		const key = `${room}-${root}`;
		const known = this.following.get(key) ?? null;
		const { me } = this.source;
		const named = Object.values(mentionsIn(event.data)?.people ?? {}).includes(me);
		const mine = event.actor === me || event.data.root_author === me || named;
		if (known === null && mine) this.following.set(key, true);
		if (event.actor === this.source.me) return;
		if (this.following.get(key)) {
			if (event.seq > (this.reads.get(key) ?? 0))
				this.unreadOnes.set(key, (this.unreadOnes.get(key) ?? 0) + 1);
		} else if (!this.following.has(key)) {
			// Unread ones come first in the list, so after this look it is known.
			this.following.set(key, null);
			this.lookSoon(LOOK_AFTER_MS + Math.random() * LOOK_SPREAD_MS);
		}
		if (this.watched) this.lookSoon(1_000);
	}

	private lookSoon(ms: number): void {
		if (this.look !== undefined && !this.watched) return;
		clearTimeout(this.look);
		this.look = setTimeout(() => void this.refresh(), ms);
	}

	noticed({ room, root, following, read }: ThreadNotice): void {
		const key = `${room}-${root}`;
		// A marker may be stored before the reply that makes the person follow.
		if (following !== null || !this.following.get(key)) this.following.set(key, following);
		this.markedRead(key, read);
		if (following === false) this.unreadOnes.delete(key);
		if (following === false && this.list)
			this.list = this.list.filter((one) => one.room !== room || one.root !== root);
	}

	/** Rejects with RestError. */
	async follow(room: number, root: number, following: boolean): Promise<void> {
		this.noticed(await this.source.follow(room, root, following));
	}

	/** The person has seen the open thread up to its newest reply. */
	markRead(thread: OpenThread): void {
		const key = `${thread.room}-${thread.root}`;
		const { newest } = thread;
		if (newest <= (this.reads.get(key) ?? 0) && !this.unreadOnes.has(key)) return;
		// Nobody needs a marker in threads that they do not follow.
		if (this.following.get(key) && !this.source.read(thread.room, thread.root, newest)) return;
		this.markedRead(key, newest);
	}

	private markedRead(key: string, read: number): void {
		if (read <= (this.reads.get(key) ?? -1)) return;
		this.reads.set(key, read);
		if (this.open && key === `${this.open.room}-${this.open.root}` && this.open.newest <= read)
			this.unreadOnes.delete(key);
		const listed = this.list?.find((one) => `${one.room}-${one.root}` === key);
		if (listed && listed.replies.last_seq <= read) this.unreadOnes.delete(key);
		if (listed && this.list)
			this.list = this.list.map((one) =>
				one === listed && one.replies.last_seq <= read ? { ...one, unread: 0, read } : one,
			);
	}

	private learn(page: ThreadPage): void {
		const key = `${page.room}-${page.root}`;
		if (page.following !== undefined) {
			const root = this.open?.state ? rootOf(this.open.state) : null;
			const mine = root?.author === this.source.me && page.messages.length > 0;
			// The drain makes people follow in a moment, when it stores their reply.
			if (page.following !== null || !this.following.get(key))
				this.following.set(key, page.following ?? (mine ? true : null));
		}
		if (page.read !== undefined) this.reads.set(key, Math.max(page.read, this.reads.get(key) ?? 0));
	}

	private take(threads: FollowedThread[]): void {
		for (const { room, root, unread, read } of threads) {
			const key = `${room}-${root}`;
			this.following.set(key, true);
			const known = Math.max(read, this.reads.get(key) ?? 0);
			this.reads.set(key, known);
			if (unread > 0 && known <= read) this.unreadOnes.set(key, unread);
		}
	}
}
