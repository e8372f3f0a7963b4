/** Where a room is, or the message at `seq` of it: a hash for the address of this page. */
export function addressOf(slug: string, seq: number | null = null): string {
	return `#/${encodeURIComponent(slug)}${seq === null ? "" : `/${seq}`}`;
}

/** What is noted at an entry of the browser's history. */
interface Entry {
	entry: "first" | "second";
}

function isSecond(): boolean {
	return (history.state as Entry | null)?.entry === "second";
}

/**
 * The room, and perhaps the message, in the address: `#/general` or `#/general/120`.
 *
 * The browser's Back closes what lies over the page before it leads to where one was: when something opens, a
 * second entry of the same address is put into the history. It stays there when that is closed in another way,
 * for the next thing that opens or the next address; Back passes over it then. To take it out would be a way
 * back in the history, which the browser goes only later, perhaps after a step to another room.
 */
class Route {
	slug = $state<string | null>(null);
	seq = $state<number | null>(null);
	/** Counts arrivals, so that going to the same message again is news. */
	visits = $state(0);
	/** How to close what lies over the page, the front-most last. */
	private readonly over: (() => void)[] = [];
	/** The present entry of the history is the second one of its address. */
	private second = isSecond();
	/** On the way to it again, as there is more to close. */
	private returning = false;

	constructor() {
		this.read();
		// Unlike "hashchange" it also tells of a link that is followed a second time.
		addEventListener("popstate", () => this.moved());
	}

	/** From now on Back means `close`, until the answer is called. */
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

	/** Goes to a room, or to the message at `seq` of it. */
	go(slug: string | null, seq: number | null = null): void {
		const address = slug === null ? "" : addressOf(slug, seq);
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
			// Not by a new entry: browsers pass over one that was made without a press of the person.
			this.returning = true;
			history.forward();
		}
	}

	private read(): void {
		const [, slug, seq] = location.hash.split("/");
		try {
			this.slug = slug ? decodeURIComponent(slug) : null;
		} catch {
			this.slug = null;
		}
		this.seq = seq && /^\d{1,15}$/.test(seq) ? Number(seq) : null;
		this.visits++;
	}
}

export const route = new Route();
