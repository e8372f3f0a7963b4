/**
 * The hash, in this page's address, of a room or of the message at `seq` in it; or, with `thread`, of the thread with
 * that root.
 */
export function addressOf(slug: string, seq: number | null = null, thread: number | null = null): string {
	const within = thread === null ? "" : `/thread/${thread}`;
	return `#/${encodeURIComponent(slug)}${within}${seq === null ? "" : `/${seq}`}`;
}

/** The hash of the list of followed threads. */
export const THREADS = "#threads";
/** The hash of the list of mentions. */
export const MENTIONS = "#mentions";

function placeIn(text: string | undefined): number | null {
	return text && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** What this page stores in an entry of the browser's history. */
interface Entry {
	entry: "first" | "second";
}

function isSecond(): boolean {
	return (history.state as Entry | null)?.entry === "second";
}

/**
 * The room, and perhaps the message or thread, in the address: `#/general`, `#/general/120`, `#/general/thread/118`,
 * `#/general/thread/118/125`. Or a list: `#threads`, `#mentions`.
 *
 * The browser's Back closes what is open over the page before it leads to the previous place. For this, a second
 * entry of the same address is put into the history when something opens. If that is closed in another way, the
 * entry stays for the next thing that opens or for the next address, and Back skips it. Removing it would mean going
 * back in the history, which the browser does only later, perhaps after a step to another room.
 */
class Route {
	slug = $state<string | null>(null);
	seq = $state<number | null>(null);
	/** The root of the thread that is open beside the room; `seq` is then a reply. */
	thread = $state<number | null>(null);
	/** The list of threads is in place of a room. */
	threads = $state(false);
	/** The list of mentions is. */
	mentions = $state(false);
	/** Counts arrivals, so that going to the same message again is noticed. */
	visits = $state(0);
	/** How to close what is open over the page, the topmost last. */
	private readonly over: (() => void)[] = [];
	/** The present entry of the history is the second one of its address. */
	private second = isSecond();
	/** Going forward to that entry again, because there is more to close. */
	private returning = false;

	constructor() {
		this.read();
		// Unlike "hashchange", this event also reports a link that is followed a second time.
		addEventListener("popstate", () => this.moved());
	}

	/** From now on Back calls `close`, until the returned function is called. */
	inFront(close: () => void): () => void {
		this.over.push(close);
		if (!this.second) {
			history.replaceState({ entry: "first" } satisfies Entry, "");
			history.pushState({ entry: "second" } satisfies Entry, "");
			this.second = true;
		}
		return () => {
			this.over.splice(this.over.indexOf(close), 1);
		};
	}

	/** Goes to a room, to the message at `seq` of it, or to the thread whose root is at `thread`. */
	go(slug: string | null, seq: number | null = null, thread: number | null = null): void {
		this.follow(slug === null ? "" : addressOf(slug, seq, thread));
	}

	goToThreads(): void {
		this.follow(THREADS);
	}

	goToMentions(): void {
		this.follow(MENTIONS);
	}

	/** A list is in place of a room. */
	get inList(): boolean {
		return this.threads || this.mentions;
	}

	private follow(address: string): void {
		if (address !== "" && location.hash === address) this.read();
		else if (this.second) {
			this.second = false;
			location.replace(address === "" ? "#" : address);
		} else location.hash = address;
	}

	/** Goes without leaving the present place in the browser's history. */
	replace(slug: string | null): void {
		history.replaceState(null, "", slug === null ? "#" : addressOf(slug));
		this.second = false;
		this.read();
	}

	private moved(): void {
		const back = this.second && (history.state as Entry | null)?.entry === "first";
		const again = this.returning;
		this.second = isSecond();
		this.returning = false;
		if (again) return;
		if (!back) {
			this.read();
			return;
		}
		const close = this.over.at(-1);
		if (!close) {
			history.back();
			return;
		}
		close();
		if (this.over.length > 1) {
			// Not by a new entry: browsers skip entries that were made without a user's action.
			this.returning = true;
			history.forward();
		}
	}

	private read(): void {
		const [first, slug, ...rest] = location.hash.split("/");
		const inThread = rest[0] === "thread";
		this.threads = first === THREADS;
		this.mentions = first === MENTIONS;
		this.thread = inThread ? placeIn(rest[1]) : null;
		const seq = rest[inThread ? 2 : 0];
		try {
			this.slug = slug ? decodeURIComponent(slug) : null;
		} catch {
			this.slug = null;
		}
		this.seq = placeIn(seq);
		this.visits++;
	}
}

export const route = new Route();
