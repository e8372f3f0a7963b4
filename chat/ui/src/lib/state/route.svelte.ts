/** The room, and perhaps the message, in the address: `#/general` or `#/general/120`. */
class Route {
	slug = $state<string | null>(null);
	seq = $state<number | null>(null);

	constructor() {
		this.read();
		addEventListener("hashchange", () => this.read());
	}

	go(slug: string | null): void {
		location.hash = slug === null ? "" : `#/${encodeURIComponent(slug)}`;
	}

	/** Goes without leaving the present place in the browser's history. */
	replace(slug: string | null): void {
		history.replaceState(null, "", slug === null ? "#" : `#/${encodeURIComponent(slug)}`);
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
	}
}

export const route = new Route();
