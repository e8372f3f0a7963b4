import { type RoomState, toldMarker, unread } from "../client/room-state";
import { t } from "../i18n/index.svelte";
import type { Chat } from "./chat.svelte";
import { toasts } from "./toasts.svelte";

/** Marks all of these rooms read that are not; for some seconds each marker can be put back to where it was. */
export function markRead(chat: Chat, rooms: Iterable<RoomState>): void {
	const words = t();
	const before = [...rooms].filter((room) => unread(room) > 0);
	const [first] = before;
	if (!first) {
		toasts.show(words.nothingUnread);
		return;
	}
	chat.setMarkers(before.map((room) => ({ room: room.id, seq: room.last })));
	const what = before.length === 1 ? chat.placeOf(first.id) : words.roomCount(before.length);
	toasts.show(words.markedRead(what), "info", {
		label: words.undo,
		run: () =>
			chat.setMarkers(before.map((room) => ({ room: room.id, seq: room.read, known: toldMarker(room) }))),
	});
}
