/** What messages mention: whether that means the reader. */

import type { Mentions } from "./frames";

let groups: ReadonlySet<number> = new Set();

/** Notes which groups of people the reader is in; events from before count for the others only. */
export function knowOwnGroups(ids: Iterable<number>): void {
	groups = new Set(ids);
}

/** What the text of an event mentions. */
export function mentionsIn(data: Record<string, unknown>): Mentions | null {
	return (data.mentions as Mentions | undefined) ?? null;
}

/** Whether a message with these mentions mentions the reader, a group of theirs or everybody. */
export function meansMe(mentions: Mentions | null, me: number | null): boolean {
	if (!mentions || me === null) return false;
	return (
		(mentions.all ?? null) !== null ||
		Object.values(mentions.people ?? {}).includes(me) ||
		Object.values(mentions.groups ?? {}).some((id) => groups.has(id))
	);
}
