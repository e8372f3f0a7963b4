/** A person, a room and a message for tests to which their details do not matter. */

import type { RoomInfo, UserInfo } from "../src/lib/client/frames";
import type { MessageItem } from "../src/lib/client/history";

export const ME = 1;
export const ROOM = 5;

export function person(id: number, name = `Person ${id}`): UserInfo {
	return { id, username: `person${String(id).padStart(5, "0")}`, name };
}

export function roomInfo(changes: Partial<RoomInfo> = {}): RoomInfo {
	return {
		id: ROOM,
		slug: "general",
		name: "general",
		topic: "",
		kind: "public",
		archived: false,
		epoch: 1,
		head: 10,
		n: 8,
		stored: 10,
		read: 10,
		read_n: 8,
		role: "member",
		...changes,
	};
}

/** The message at `seq`; consecutive messages are one second apart. */
export function message(seq: number, changes: Partial<MessageItem> = {}): MessageItem {
	return {
		kind: "message",
		thread: null,
		replies: null,
		mentions: null,
		seq,
		n: seq,
		author: 2,
		key: null,
		at: new Date(Date.UTC(2026, 10, 20, 10, 0, seq)).toISOString(),
		body: `text ${seq}`,
		replyTo: null,
		editedAt: null,
		deleted: false,
		removed: false,
		absent: false,
		reactions: {},
		counts: {},
		asOf: seq,
		...changes,
	};
}
