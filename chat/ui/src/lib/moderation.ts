/** Who may do what to whom in a room, and the limits on members. Pure; the server has the last word. */

import type { Logged } from "./client/chat-client";
import type { Role } from "./client/frames";
import type { Item } from "./client/history";
import { isMessage } from "./client/outbox-store";
import type { RoomState } from "./client/room-state";

export type ActName =
	| "message.delete"
	| "message.restore"
	| "member.mute"
	| "member.unmute"
	| "member.remove"
	| "member.ban"
	| "member.unban"
	| "member.role";

const RANK: Record<Role, number> = { member: 1, moderator: 2, owner: 3 };

/** Lengths of a mute that are offered, in seconds. */
export const MUTE_SECONDS = [600, 3_600, 86_400, 604_800, 2_592_000] as const;
/** Lengths of slow mode that are offered, in seconds; 0 is off. */
export const SLOW_MODE_SECONDS = [0, 5, 10, 30, 60, 300, 900, 3_600, 21_600] as const;

export function moderates(role: Role): boolean {
	return RANK[role] >= RANK.moderator;
}

/** What somebody with `role` may do to a member; in the order in which it is offered. */
export function actsOnMember(
	room: Pick<RoomState, "kind" | "role">,
	member: { role: Role; muted: boolean },
): ActName[] {
	if (room.kind === "direct" || !moderates(room.role)) return [];
	const acts: ActName[] = [];
	const above = RANK[room.role] > RANK[member.role];
	if (above) acts.push(member.muted ? "member.unmute" : "member.mute", "member.remove", "member.ban");
	if (room.role === "owner") acts.unshift("member.role");
	return acts;
}

/** Whether a mute that ends at `until` is in force at `now`, in ms. */
export function isMuted(until: string | null | undefined, now: number): boolean {
	return until !== null && until !== undefined && Date.parse(until) > now;
}

/**
 * When the reader may post again in a room with slow mode, in ms of the server's clock; 0 when they may now.
 *
 * Computed from their newest message since slow mode was turned on, so it is right in a page that was just loaded
 * too; the server's own answer, if there was one, also counts.
 */
export function mayPostAt(
	room: Pick<RoomState, "id" | "role" | "slowModeSeconds" | "tail" | "heldUntil">,
	me: number,
	logged: Logged[],
	clockOffsetMs: number,
): number {
	if (room.slowModeSeconds === 0 || room.role !== "member") return 0;
	let latest = 0;
	for (const { item, ok } of logged)
		if (ok.room === room.id && isMessage(item.intent)) latest = Math.max(latest, Date.parse(ok.at));
	if (latest === 0) latest = latestOwn(room.tail?.items ?? [], me);
	const after = latest === 0 ? 0 : latest + room.slowModeSeconds * 1000;
	return Math.max(after, room.heldUntil === 0 ? 0 : room.heldUntil + clockOffsetMs);
}

function latestOwn(items: Item[], me: number): number {
	for (let at = items.length - 1; at >= 0; at--) {
		const item = items[at] as Item;
		if (item.kind === "message" && item.author === me) return Date.parse(item.at);
		if (item.kind === "system" && item.type === "room.updated" && item.data.slow_mode_seconds !== undefined)
			return 0;
	}
	return 0;
}

/** Seconds as people count them down: `0:05`, `12:30`, `1:00:00`. */
export function countdown(seconds: number): string {
	const whole = Math.max(0, Math.ceil(seconds));
	const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
	const two = (n: number) => n.toString().padStart(2, "0");
	return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
