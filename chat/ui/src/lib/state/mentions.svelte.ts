import type { Mentions as Named } from "../client/frames";
import { knowOwnGroups } from "../client/mentions";
import type { Mentioning, PeopleGroup } from "../rest";

/** What mentions need of the chat. */
export interface MentionSource {
	page(cursor: string | null): Promise<{ messages: Mentioning[]; next: string | null }>;
	groups(): Promise<PeopleGroup[]>;
}

/** The groups of people, and the list of what mentions the reader. */
export class Mentions {
	groups = $state.raw<readonly PeopleGroup[]>([]);
	/** Newest first; null before the server has answered. */
	list = $state.raw<readonly Mentioning[] | null>(null);
	failed = $state(false);
	private next = $state.raw<string | null>(null);
	private asked = 0;

	constructor(private readonly source: MentionSource) {}

	/** A connection has begun: groups may have changed. */
	connected(): void {
		this.source
			.groups()
			.then((groups) => {
				this.groups = groups;
				knowOwnGroups(groups.filter(({ mine }) => mine).map(({ id }) => id));
			})
			.catch(() => {
				// The next connection asks again.
			});
	}

	get hasMore(): boolean {
		return this.next !== null;
	}

	/** Loads the first page. Never rejects. */
	async refresh(): Promise<void> {
		const asked = ++this.asked;
		try {
			const page = await this.source.page(null);
			if (asked !== this.asked) return;
			this.list = page.messages;
			this.next = page.next;
			this.failed = false;
		} catch {
			if (asked === this.asked) this.failed = this.list === null;
		}
	}

	/** Loads the next page. Rejects with RestError. */
	async more(): Promise<void> {
		const asked = this.asked;
		const page = await this.source.page(this.next);
		if (asked !== this.asked) return;
		this.list = [...(this.list ?? []), ...page.messages];
		this.next = page.next;
	}

	/** The handle of a group; the name that is written if it is gone. */
	handleOf(id: number, written: string): string {
		return this.groups.find((group) => group.id === id)?.handle ?? written;
	}

	/** Whether one of the reader's groups is named. */
	meansGroup({ groups = {} }: Named): boolean {
		const ids = Object.values(groups);
		return this.groups.some(({ id, mine }) => mine && ids.includes(id));
	}
}
