import type { Role } from "../client/frames";
import { uuid7 } from "../client/uuid7";
import type { ActName } from "../moderation";
import type { ModerationRest } from "../moderation-rest";

/** An act of a moderator: on a member (`user`), or on the message at `seq` that `user` wrote. */
export interface Act {
	name: ActName;
	room: number;
	user: number | null;
	seq: number | null;
}

export interface Choices {
	reason: string;
	/** How long a mute lasts. */
	seconds: number;
	role: Role;
}

/** Acts that take something away from people need a reason. */
export function needsReason(name: ActName): boolean {
	return ["message.delete", "member.mute", "member.remove", "member.ban"].includes(name);
}

/** Asks the server for the act. Rejects with RestError. */
export function perform(rest: ModerationRest, act: Act, choices: Choices, key: string): Promise<void> {
	const { room } = act;
	const user = act.user ?? 0;
	const seq = act.seq ?? 0;
	const reason = choices.reason.trim();
	switch (act.name) {
		case "message.delete":
			return rest.deleteMessage(room, seq, reason, key);
		case "message.restore":
			return rest.restoreMessage(room, seq, reason, key);
		case "member.mute":
			return rest.mute(room, user, choices.seconds, reason, key);
		case "member.unmute":
			return rest.unmute(room, user, reason, key);
		case "member.remove":
			return rest.remove(room, user, reason, key);
		case "member.ban":
			return rest.ban(room, user, reason, key);
		case "member.unban":
			return rest.unban(room, user, reason, key);
		case "member.role":
			return rest.setRole(room, user, choices.role, reason, key);
	}
}

/** Gives the same key to the same request, and a new key to any other. */
export class RequestKeys {
	private readonly keys = new Map<string, string>();

	constructor(private readonly now: () => number) {}

	of(request: unknown): string {
		const content = JSON.stringify(request);
		const key = this.keys.get(content) ?? uuid7(this.now());
		this.keys.set(content, key);
		return key;
	}
}
