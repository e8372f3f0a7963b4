import type { ActName } from "./moderation";
import type { Report, Resolving } from "./moderation-rest";

/**
 * Reports grouped by message, the oldest of each first; groups in the order of their newest report.
 *
 * The server closes all waiting reports of a message at once, so they are one piece of work.
 */
export function byMessage(reports: Report[]): Report[][] {
	const groups = new Map<string, Report[]>();
	for (const report of reports) {
		// Closed reports ended at different times and with different outcomes.
		const name = report.closed_at === null ? `${report.seq}` : `${report.seq}-${report.closed_at}`;
		groups.set(name, [report, ...(groups.get(name) ?? [])]);
	}
	return [...groups.values()];
}

/**
 * How a report can be resolved: always by removing the message, and by those acts on its author that `acts` allows.
 * `acts` is null for an author who is not in the room, and can only be banned.
 */
export function resolvingActs(acts: ActName[] | null): Resolving[] {
	const onAuthor: Resolving[] = ["member.mute", "member.remove", "member.ban"];
	const allowed = acts ?? (["member.ban"] as ActName[]);
	return ["message.delete", ...onAuthor.filter((act) => allowed.includes(act))];
}
