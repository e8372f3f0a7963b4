import { SvelteMap } from "svelte/reactivity";

const FORGET_AFTER_MS = 6_000;

/** Which people are typing in which room right now. */
export class Typing {
	private users = new SvelteMap<number, number[]>();
	private timers = new Map<string, ReturnType<typeof setTimeout>>();

	in(room: number): number[] {
		return this.users.get(room) ?? [];
	}

	noticed(room: number, user: number): void {
		clearTimeout(this.timers.get(`${room}-${user}`));
		this.timers.set(
			`${room}-${user}`,
			setTimeout(() => this.ended(room, user), FORGET_AFTER_MS),
		);
		const users = this.in(room);
		if (!users.includes(user)) this.users.set(room, [...users, user]);
	}

	ended(room: number, user: number): void {
		clearTimeout(this.timers.get(`${room}-${user}`));
		this.timers.delete(`${room}-${user}`);
		const users = this.in(room);
		if (users.includes(user))
			this.users.set(
				room,
				users.filter((other) => other !== user),
			);
	}
}
