import { isClosed } from "./arranging";
import type { RoomState } from "./client/room-state";
import { listed } from "./room-order";
import type { Arranged, BuiltIn } from "./state/arrangement.svelte";
import type { Chat } from "./state/chat.svelte";

/** A part of the list of rooms: one that is always there, or a section of the person's own. */
export interface RoomGroup {
	key: string;
	part: BuiltIn | "section";
	/** Of a section. */
	name: string;
	collapsed: boolean;
	/** What is shown: of a collapsed group, what is unread and what is open. */
	rooms: RoomState[];
	/** All that is in it. */
	count: number;
}

/** The list of rooms as the person has arranged it; `current` is the address of the open room. */
export function grouped(chat: Chat, arranged: Arranged, current: string | null): RoomGroup[] {
	const { rooms, directs } = listed(chat, current);
	const stays = (room: RoomState) =>
		room.slug === current || chat.drafts.get(room.id) !== "" || !isClosed(arranged, room);
	const shown = [...rooms, ...(arranged.closed.length > 0 ? directs.filter(stays) : directs)];
	const favourites = new Set(arranged.favourites);
	const sectionOf = new Map(
		arranged.sections.flatMap(({ rooms: placed }, at) => placed.map((room) => [room, at] as const)),
	);
	const group = (part: RoomGroup["part"], name: string, collapsed: boolean, all: RoomState[]): RoomGroup => {
		const unread = (room: RoomState) => chat.unreadIn(room) > 0;
		const ordered = arranged.unread_first
			? [...all.filter(unread), ...all.filter((room) => !unread(room))]
			: all;
		const inView = collapsed ? ordered.filter((room) => unread(room) || room.slug === current) : ordered;
		const key = part === "section" ? `section ${name}` : part;
		return { key, part, name, collapsed, rooms: inView, count: all.length };
	};
	const rest = shown.filter((room) => !favourites.has(room.id) && !sectionOf.has(room.id));
	const builtIn = (part: BuiltIn, all: RoomState[]) =>
		group(part, "", arranged.collapsed.includes(part), all);
	const starred = shown.filter((room) => favourites.has(room.id));
	return [
		...(starred.length > 0 ? [builtIn("favourites", starred)] : []),
		...arranged.sections.map(({ name, collapsed }, at) => {
			const within = shown.filter((room) => !favourites.has(room.id) && sectionOf.get(room.id) === at);
			return group("section", name, collapsed, within);
		}),
		builtIn(
			"rooms",
			rest.filter((room) => room.kind !== "direct"),
		),
		...(rest.some((room) => room.kind === "direct")
			? [
					builtIn(
						"direct",
						rest.filter((room) => room.kind === "direct"),
					),
				]
			: []),
	];
}
