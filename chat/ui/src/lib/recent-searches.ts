const MOST = 8;

/** What a person looked for last, newest first; kept in this browser until they clear it. */
export class RecentSearches {
	private readonly key: string;

	constructor(userId: number) {
		this.key = `veche:searches:${userId}`;
	}

	list(): string[] {
		try {
			const kept: unknown = JSON.parse(localStorage.getItem(this.key) ?? "[]");
			return Array.isArray(kept) ? kept.filter((one) => typeof one === "string").slice(0, MOST) : [];
		} catch {
			return [];
		}
	}

	add(text: string): void {
		const others = this.list().filter((one) => one !== text);
		try {
			localStorage.setItem(this.key, JSON.stringify([text, ...others].slice(0, MOST)));
		} catch {
			// Storage is full or forbidden: this search is not remembered.
		}
	}

	clear(): void {
		try {
			localStorage.removeItem(this.key);
		} catch {
			// Nothing is kept where storage is forbidden.
		}
	}
}
