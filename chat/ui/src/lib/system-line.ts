import type { Role } from "./client/frames";
import type { Item, SystemItem } from "./client/history";
import { momentName } from "./format";
import type { Words } from "./i18n/en";

/** How many items back to look for a sign of somebody's presence. */
const LOOK_BACK = 500;

/** Whether `items` before the place `at` show that somebody was in the room then. */
export function wasPresent(items: Item[], at: number, user: number): boolean {
	for (let i = at - 1; i >= Math.max(0, at - LOOK_BACK); i--) {
		const item = items[i] as Item;
		if (item.kind === "message") {
			if (item.author === user) return true;
		} else if (item.data.user === user) {
			if (item.type === "member.joined") return true;
			if (item.type === "member.left" || item.type === "member.removed") return false;
		}
	}
	return false;
}

/** What happened in a room, as a sentence; null for events that need none. */
export function systemLine(
	item: SystemItem,
	words: Words,
	nameOf: (user: number | null) => string,
	/** Whether the person it is about was in the room before: then joining means another role. */
	present = false,
): string | null {
	const data = item.data as {
		user?: number;
		until?: string;
		role?: Role;
		banned?: boolean;
		everywhere?: boolean;
		slow_mode_seconds?: number | null;
		name?: string | null;
		topic?: string | null;
		archived?: boolean;
		duplicate_of?: unknown;
	};
	const { duration, line, roles } = words.moderation;
	const actor = nameOf(item.actor);
	const user = nameOf(data.user ?? item.actor);
	const byOther = item.actor !== null && data.user !== undefined && item.actor !== data.user;
	switch (item.type) {
		case "room.created":
			return words.created(actor);
		case "room.updated":
			if (data.name) return words.renamed(actor, data.name);
			if (data.topic) return words.topicSet(actor, data.topic);
			if (data.slow_mode_seconds) return line.slowMode(actor, duration(data.slow_mode_seconds));
			if (data.slow_mode_seconds === 0) return line.slowModeOff(actor);
			return data.topic === "" ? words.topicCleared(actor) : null;
		case "room.archived":
			return data.archived === false ? words.unarchivedBy(actor) : words.archivedBy(actor);
		case "member.joined":
			if (byOther && (present || (data.role ?? "member") !== "member"))
				return line.role(user, actor, roles[data.role ?? "member"]);
			if (present) return line.stepsDown(user, roles[data.role ?? "member"]);
			return byOther ? words.added(user, actor) : words.joined(user);
		case "member.left":
			return words.left(user);
		case "member.removed":
			if (data.banned === undefined) return words.removed(user, actor);
			return data.banned ? line.banned(user, actor) : line.unbanned(user, actor);
		case "member.muted": {
			const until = momentName(data.until ?? item.at, words);
			return data.everywhere ? line.mutedEverywhere(user, until) : words.muted(user, actor, until);
		}
		case "member.unmuted":
			return words.unmuted(user, actor);
		case "event.quarantined":
			return data.duplicate_of ? words.duplicate : words.quarantined;
		default:
			return null;
	}
}
