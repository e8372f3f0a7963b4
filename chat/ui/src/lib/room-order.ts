import type { RoomState } from "./client/room-state";
import { byNameIn } from "./format";
import { t } from "./i18n/index.svelte";
import type { Chat } from "./state/chat.svelte";

/**
 * The person's rooms as the list shows them: rooms by name, archived ones last; conversations by the latest
 * message.
 *
 * A conversation without messages is shown only to somebody who has it open or has begun to write in it: opening
 * it tells the other person nothing.
 */
export function listed(chat: Chat, current: string | null): { rooms: RoomState[]; directs: RoomState[] } {
	const all = [...chat.rooms.values()];
	const byName = byNameIn(t());
	const byTitle = (a: RoomState, b: RoomState) => byName(chat.titleOf(a), chat.titleOf(b));
	const begun = (room: RoomState) => room.n > 0 || room.slug === current || chat.drafts.get(room.id) !== "";
	return {
		rooms: all
			.filter((room) => room.kind !== "direct")
			.sort((a, b) => Number(a.archived) - Number(b.archived) || byTitle(a, b)),
		directs: all
			.filter((room) => room.kind === "direct" && begun(room))
			.sort((a, b) => (b.latestAt ?? "").localeCompare(a.latestAt ?? "") || byTitle(a, b)),
	};
}
