import { SvelteMap } from "svelte/reactivity";
import type { UserInfo } from "../client/frames";
import { isolated } from "../format";

const MOST_IDS = 100;
const GATHER_MS = 20;
const RETRY_MS = 5_000;

/** A name as it is displayed: with the user name, which is unique, if somebody else's name looks the same. */
export function shownName(user: UserInfo): string {
	if (!user.ambiguous) return user.name;
	return user.name === user.username ? `@${user.username}` : `${isolated(user.name)} @${user.username}`;
}

/** The people behind ids. Unknown ids are asked for together; until then a person has no name. */
export class People {
	private known = new SvelteMap<number, UserInfo>();
	private wanted = new Set<number>();
	private asked = new Set<number>();
	private timer: ReturnType<typeof setTimeout> | undefined;

	constructor(private readonly fetch: (ids: number[]) => Promise<UserInfo[]>) {}

	learn(...users: UserInfo[]): void {
		for (const user of users) {
			const before = this.known.get(user.id);
			const same =
				before?.name === user.name &&
				before.username === user.username &&
				!before.ambiguous === !user.ambiguous &&
				!before.deactivated === !user.deactivated;
			if (!same) this.known.set(user.id, user);
		}
	}

	/** Everybody whom the page knows. */
	all(): UserInfo[] {
		return [...this.known.values()];
	}

	/** The person, if known; otherwise asks the server. Safe to call while rendering. */
	get(id: number | null): UserInfo | undefined {
		if (id === null) return undefined;
		const user = this.known.get(id);
		if (!user && !this.asked.has(id)) {
			this.wanted.add(id);
			this.timer ??= setTimeout(() => void this.ask(), GATHER_MS);
		}
		return user;
	}

	private async ask(): Promise<void> {
		this.timer = undefined;
		const ids = [...this.wanted].slice(0, MOST_IDS);
		for (const id of ids) {
			this.wanted.delete(id);
			this.asked.add(id);
		}
		if (this.wanted.size > 0) this.timer = setTimeout(() => void this.ask(), GATHER_MS);
		try {
			this.learn(...(await this.fetch(ids)));
		} catch {
			setTimeout(() => {
				for (const id of ids) {
					this.asked.delete(id);
					this.get(id);
				}
			}, RETRY_MS);
		}
	}
}
