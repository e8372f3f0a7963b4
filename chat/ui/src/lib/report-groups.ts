import type { ActName } from "./moderation";
import type { Report, Resolving } from "./moderation-rest";

/**
 * Reports of one message together, the oldest of them first; groups in the order of their newest report.
 *
 * The server closes all waiting reports of a message at once, so they are one piece of work.
 */
export function byMessage(reports: Report[]): Report[][] {
	const groups = new Map<string, Report[]>();
	for (const report of reports) {
		// Closed ones ended at different times, in different ways.
		const name = report.closed_at === null ? `${report.seq}` : `${report.seq}-${report.closed_at}`;
		groups.set(name, [report, ...(groups.get(name) ?? [])]);
	}
	return [...groups.values()];
}

/**
 * What a report can be resolved with: always by removing the message; by an act on its author as far as `acts`
 * allow it. `acts` is null for an author who is not in the room, who can only be kept out.
 */
export function resolvingActs(acts: ActName[] | null): Resolving[] {
	const onAuthor: Resolving[] = ["member.mute", "member.remove", "member.ban"];
	const allowed = acts ?? (["member.ban"] as ActName[]);
	return ["message.delete", ...onAuthor.filter((act) => allowed.includes(act))];
}
