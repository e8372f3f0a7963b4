/** A room, or a thread as `<room>-<root>`. */
export type Place = number | string;

export function placeOf(room: number, thread: number | null = null): Place {
	return thread === null ? room : `${room}-${thread}`;
}

/** The unsent text of each room and thread, kept across reloads. */
export class Drafts {
	constructor(private readonly userId: number) {}

	get(place: Place): string {
		try {
			return localStorage.getItem(this.keyOf(place)) ?? "";
		} catch {
			return "";
		}
	}

	set(place: Place, text: string): void {
		try {
			if (text === "") localStorage.removeItem(this.keyOf(place));
			else localStorage.setItem(this.keyOf(place), text);
		} catch {
			// Storage is full or forbidden: the draft lasts as long as the page.
		}
	}

	private keyOf(place: Place): string {
		return `veche:draft:${this.userId}:${place}`;
	}
}
