import type { SystemItem } from "./client/history";
import type { Words } from "./i18n/en";

/** What happened in a room, as a sentence; null for what needs none. */
export function systemLine(
	item: SystemItem,
	words: Words,
	nameOf: (user: number | null) => string,
): string | null {
	const data = item.data as {
		user?: number;
		until?: string;
		name?: string | null;
		topic?: string | null;
		archived?: boolean;
		duplicate_of?: unknown;
	};
	const actor = nameOf(item.actor);
	const user = nameOf(data.user ?? item.actor);
	const byOther = item.actor !== null && data.user !== undefined && item.actor !== data.user;
	switch (item.type) {
		case "room.created":
			return words.created(actor);
		case "room.updated":
			if (data.name) return words.renamed(actor, data.name);
			if (data.topic) return words.topicSet(actor, data.topic);
			return data.topic === "" ? words.topicCleared(actor) : null;
		case "room.archived":
			return data.archived === false ? words.unarchivedBy(actor) : words.archivedBy(actor);
		case "member.joined":
			return byOther ? words.added(user, actor) : words.joined(user);
		case "member.left":
			return words.left(user);
		case "member.removed":
			return words.removed(user, actor);
		case "member.muted":
			return words.muted(user, actor, new Date(data.until ?? item.at).toLocaleString(words.locale));
		case "member.unmuted":
			return words.unmuted(user, actor);
		case "event.quarantined":
			return data.duplicate_of ? words.duplicate : words.quarantined;
		default:
			return null;
	}
}
