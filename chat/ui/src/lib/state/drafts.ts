/** The unsent text of each room, kept across reloads. */
export class Drafts {
	constructor(private readonly userId: number) {}

	get(room: number): string {
		try {
			return localStorage.getItem(this.keyOf(room)) ?? "";
		} catch {
			return "";
		}
	}

	set(room: number, text: string): void {
		try {
			if (text === "") localStorage.removeItem(this.keyOf(room));
			else localStorage.setItem(this.keyOf(room), text);
		} catch {
			// Storage is full or forbidden: the draft lasts as long as the page.
		}
	}

	private keyOf(room: number): string {
		return `veche:draft:${this.userId}:${room}`;
	}
}
