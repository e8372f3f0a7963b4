import type { UserInfo } from "../client/frames";
import { type Chat, explain } from "./chat.svelte";

const DELAY_MS = 200;

/** People found while a name is typed: those the page knows at once, and those the server finds. */
export class FoundPeople {
	/** Null until the first answer has come. */
	private found = $state.raw<UserInfo[] | null>(null);
	private foundFor = $state("");
	failure = $state("");
	/** Everybody who may be meant, without the reader and without deactivated accounts. */
	readonly list = $derived.by(() => {
		const people = new Map((this.found ?? []).map((user) => [user.id, user]));
		for (const user of this.chat.people.all()) if (!people.has(user.id)) people.set(user.id, user);
		return [...people.values()].filter((user) => user.id !== this.chat.me && !user.deactivated);
	});

	/** `query`: what to ask for; null asks nothing. Create it while a component is created. */
	constructor(
		private readonly chat: Chat,
		private readonly query: () => string | null,
	) {
		$effect(() => {
			const wanted = query();
			if (wanted === null) return;
			let current = true;
			const timer = setTimeout(
				() => {
					chat.rest.findUsers(wanted).then(
						(users) => {
							if (!current) return;
							this.found = users;
							this.foundFor = wanted;
							this.failure = "";
							chat.people.learn(...users);
						},
						(error) => {
							if (current) this.failure = explain(error);
						},
					);
				},
				this.found === null ? 0 : DELAY_MS,
			);
			return () => {
				current = false;
				clearTimeout(timer);
			};
		});
	}

	get asked(): boolean {
		return this.found !== null;
	}

	/** The server has found them for the text, by whatever criterion. */
	sure(user: UserInfo): boolean {
		// An answer for an earlier text says nothing about this one.
		return this.foundFor === this.query() && (this.found?.some((one) => one.id === user.id) ?? false);
	}
}
