import type { Role, UserInfo } from "./client/frames";

export interface Report {
	id: number;
	room: number;
	seq: number;
	author: number | null;
	category: string;
	note: string;
	created_at: string;
	state: "open" | "assigned" | "resolved" | "dismissed";
	assignee: number | null;
	/** The act it was resolved with; empty otherwise. */
	resolution: string;
	/** What the reporter is told. */
	answer: string;
	closed_at: string | null;
	closed_by: number | null;
	seen_at: string | null;
}

export interface Banned {
	user: UserInfo;
	at: string;
	by: number | null;
	reason: string;
}

/** What an owner, moderator or member of staff did; `outcome` is empty while it is unknown. */
export interface Deed {
	id: number;
	at: string;
	actor: number | null;
	action: string;
	subject: number | null;
	seq: number | null;
	reason: string;
	after: Record<string, unknown> | null;
	outcome: string;
}

/** What a report can be resolved with. */
export type Resolving = "message.delete" | "member.mute" | "member.remove" | "member.ban";

export interface Page<T> {
	items: T[];
	more: boolean;
}

export type Call = <T>(method: string, path: string, body?: unknown, key?: string) => Promise<T>;

const PAGE = 50;
const before = (id: number | null) => `limit=${PAGE}${id === null ? "" : `&before=${id}`}`;

/**
 * The part of the HTTP API for reports and for owners and moderators. Every call rejects with RestError.
 *
 * `key` (UUIDv7) makes a repeated request do nothing again.
 */
export class ModerationRest {
	constructor(private readonly call: Call) {}

	deleteMessage(room: number, seq: number, reason: string, key: string): Promise<void> {
		return this.call("POST", `rooms/${room}/messages/${seq}/delete`, { reason }, key);
	}

	restoreMessage(room: number, seq: number, reason: string, key: string): Promise<void> {
		return this.call("POST", `rooms/${room}/messages/${seq}/restore`, { reason }, key);
	}

	mute(room: number, user: number, seconds: number, reason: string, key: string): Promise<void> {
		return this.call("POST", `rooms/${room}/members/${user}/mute`, { seconds, reason }, key);
	}

	unmute(room: number, user: number, reason: string, key: string): Promise<void> {
		return this.call("DELETE", `rooms/${room}/members/${user}/mute`, { reason }, key);
	}

	remove(room: number, user: number, reason: string, key: string): Promise<void> {
		return this.call("DELETE", `rooms/${room}/members/${user}`, { reason }, key);
	}

	ban(room: number, user: number, reason: string, key: string): Promise<void> {
		return this.call("POST", `rooms/${room}/members/${user}/ban`, { reason }, key);
	}

	unban(room: number, user: number, reason: string, key: string): Promise<void> {
		return this.call("DELETE", `rooms/${room}/members/${user}/ban`, { reason }, key);
	}

	setRole(room: number, user: number, role: Role, reason: string, key: string): Promise<void> {
		return this.call("PUT", `rooms/${room}/members/${user}/role`, { role, reason }, key);
	}

	/** A page of banned people by user name, after `after`, with `named` in their names. */
	banned(room: number, after: string, limit: number, named = ""): Promise<Banned[]> {
		const query = new URLSearchParams({ after, limit: String(limit) });
		if (named !== "") query.set("q", named);
		return this.call("GET", `rooms/${room}/bans?${query}`);
	}

	/** What owners, moderators and staff did in a room, newest first. */
	async audit(room: number, beforeId: number | null): Promise<Page<Deed>> {
		const found = await this.call<{ entries: Deed[]; more: boolean }>(
			"GET",
			`rooms/${room}/audit?${before(beforeId)}`,
		);
		return { items: found.entries, more: found.more };
	}

	report(room: number, seq: number, category: string, note: string): Promise<Report> {
		return this.call("POST", "reports", { room, seq, category, note });
	}

	async myReports(beforeId: number | null): Promise<Page<Report>> {
		const found = await this.call<{ reports: Report[]; more: boolean }>(
			"GET",
			`reports/mine?${before(beforeId)}`,
		);
		return { items: found.reports, more: found.more };
	}

	seen(ids: number[]): Promise<void> {
		return this.call("POST", "reports/mine/seen", { ids });
	}

	/** How many reports wait in each room that the person moderates. */
	waiting(): Promise<Record<string, number>> {
		return this.call("GET", "reports/waiting");
	}

	async roomReports(
		room: number,
		state: "waiting" | "closed",
		beforeId: number | null,
	): Promise<Page<Report> & { waiting: number }> {
		const found = await this.call<{ reports: Report[]; more: boolean; waiting: number }>(
			"GET",
			`rooms/${room}/reports?state=${state}&${before(beforeId)}`,
		);
		return { items: found.reports, more: found.more, waiting: found.waiting };
	}

	take(room: number, report: number): Promise<Report> {
		return this.call("POST", `rooms/${room}/reports/${report}/assign`);
	}

	resolve(
		room: number,
		report: number,
		act: { action: Resolving; seconds?: number; reason: string; answer: string },
		key: string,
	): Promise<void> {
		return this.call("POST", `rooms/${room}/reports/${report}/resolve`, act, key);
	}

	dismiss(room: number, report: number, reason: string, answer: string): Promise<void> {
		return this.call("POST", `rooms/${room}/reports/${report}/dismiss`, { reason, answer });
	}
}
