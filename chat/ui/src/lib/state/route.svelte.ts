/** Where a room is, or the message at `seq` of it: a hash for the address of this page. */
export function addressOf(slug: string, seq: number | null = null): string {
	return `#/${encodeURIComponent(slug)}${seq === null ? "" : `/${seq}`}`;
}

/** The room, and perhaps the message, in the address: `#/general` or `#/general/120`. */
class Route {
	slug = $state<string | null>(null);
	seq = $state<number | null>(null);
	/** Counts arrivals, so that going to the same message again is news. */
	visits = $state(0);

	constructor() {
		this.read();
		// Unlike "hashchange" it also tells of a link that is followed a second time.
		addEventListener("popstate", () => this.read());
	}

	/** Goes to a room, or to the message at `seq` of it. */
	go(slug: string | null, seq: number | null = null): void {
		const address = slug === null ? "" : addressOf(slug, seq);
		if (address !== "" && location.hash === address) this.read();
		else location.hash = address;
	}

	/** Goes without leaving the present place in the browser's history. */
	replace(slug: string | null): void {
		history.replaceState(null, "", slug === null ? "#" : addressOf(slug));
		this.read();
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
