import { backoffMs } from "../client/backoff";
import { RestError } from "../rest";

export type BuiltIn = "favourites" | "rooms" | "direct";

export interface RoomSection {
	name: string;
	rooms: number[];
	collapsed: boolean;
}

/** How the person has arranged their list of rooms; kept by the server, the same on every device. */
export interface Arranged {
	version: number;
	unread_first: boolean;
	favourites: number[];
	sections: RoomSection[];
	/** Direct conversations that are not shown until they have more than `n` messages. */
	closed: { room: number; n: number }[];
	collapsed: BuiltIn[];
}

export type Change = (before: Arranged) => Arranged;

export const NOTHING: Arranged = {
	version: 0,
	unread_first: false,
	favourites: [],
	sections: [],
	closed: [],
	collapsed: [],
};

interface Server {
	arranged: () => Promise<Arranged>;
	/** Rejects with `key_conflict` if the given version is not the newest. */
	arrange: (wanted: Arranged) => Promise<Arranged>;
}

/** Shows changes at once, and makes them again to what another device has changed meanwhile. */
export class Arrangement {
	now = $state.raw<Arranged>(NOTHING);
	private known: Arranged = NOTHING;
	private changes: Change[] = [];
	private sending = false;
	private attempt = 0;
	private timer: ReturnType<typeof setTimeout> | undefined;

	constructor(
		private readonly server: Server,
		private readonly key: string,
		private readonly failed: (error: unknown) => void,
	) {
		try {
			// What it was last: so that the list does not jump when the server answers.
			this.known = { ...NOTHING, ...(JSON.parse(localStorage.getItem(key) ?? "{}") as Partial<Arranged>) };
		} catch {
			// The server knows it.
		}
		this.now = this.known;
	}

	/** Asks the server, unless the version that it is said to have is known. */
	async refresh(version = Number.POSITIVE_INFINITY): Promise<void> {
		if (version <= this.known.version) return;
		try {
			this.learn(await this.server.arranged());
		} catch {
			return; // the next connection asks again
		}
		void this.send();
	}

	change(change: Change): void {
		this.changes.push(change);
		this.now = change(this.now);
		void this.send();
	}

	private async send(): Promise<void> {
		if (this.sending) return;
		this.sending = true;
		clearTimeout(this.timer);
		try {
			while (this.changes.length > 0) {
				const made = this.changes.length;
				const wanted = this.changes.reduce((before, change) => change(before), this.known);
				try {
					const now = await this.server.arrange(wanted);
					this.changes.splice(0, made);
					this.learn(now);
				} catch (error) {
					if (!(error instanceof RestError)) throw error;
					if (error.code === "key_conflict") this.learn(await this.server.arranged());
					else if (error.status >= 400 && error.status < 500 && ![401, 408, 429].includes(error.status)) {
						this.changes.splice(0, made);
						this.learn(this.known);
						this.failed(error);
					} else throw error;
				}
				this.attempt = 0;
			}
		} catch {
			this.timer = setTimeout(() => void this.send(), backoffMs(this.attempt++));
		} finally {
			this.sending = false;
		}
	}

	private learn(known: Arranged): void {
		this.known = known;
		this.now = this.changes.reduce((before, change) => change(before), known);
		try {
			localStorage.setItem(this.key, JSON.stringify(known));
		} catch {
			// The server knows it.
		}
	}
}
