/** The menus of the list of rooms. Their entries are made on demand: there may be hundreds of rooms. */

import ArrowDown from "@lucide/svelte/icons/arrow-down";
import ArrowDownUp from "@lucide/svelte/icons/arrow-down-up";
import ArrowUp from "@lucide/svelte/icons/arrow-up";
import CheckCheck from "@lucide/svelte/icons/check-check";
import Folder from "@lucide/svelte/icons/folder";
import FolderInput from "@lucide/svelte/icons/folder-input";
import FolderOutput from "@lucide/svelte/icons/folder-output";
import FolderPlus from "@lucide/svelte/icons/folder-plus";
import Pencil from "@lucide/svelte/icons/pencil";
import Star from "@lucide/svelte/icons/star";
import StarOff from "@lucide/svelte/icons/star-off";
import Trash2 from "@lucide/svelte/icons/trash-2";
import X from "@lucide/svelte/icons/x";
import { close, favourite, intoSection, moveSection, removeSection, unreadFirst } from "./arranging";
import type { RoomState } from "./client/room-state";
import { t } from "./i18n/index.svelte";
import type { RoomGroup } from "./room-groups";
import type { Chat } from "./state/chat.svelte";
import { markRead } from "./state/mark-read";
import { route } from "./state/route.svelte";
import { type MenuItem, ui } from "./state/ui.svelte";

export function ofList(chat: Chat): MenuItem[] {
	const first = chat.arrangement.now.unread_first;
	return [
		{
			name: "read-all",
			label: t().markAllRead,
			icon: CheckCheck,
			run: () => markRead(chat, chat.rooms.values()),
		},
		{
			name: "unread-first",
			label: first ? t().inUsualOrder : t().unreadFirst,
			icon: ArrowDownUp,
			run: () => chat.arrangement.change(unreadFirst(!first)),
		},
		{
			name: "new-section",
			label: t().newSection,
			icon: FolderPlus,
			run: () => ui.show({ kind: "section", name: null, room: null }),
		},
	];
}

export function ofSection(chat: Chat, group: RoomGroup): MenuItem[] {
	const { name } = group;
	const { arrangement } = chat;
	const words = t();
	const all = arrangement.now.sections.map((section) => section.name);
	const items: MenuItem[] = [
		{
			name: "read",
			label: words.markAllRead,
			icon: CheckCheck,
			run: () => markRead(chat, group.rooms),
		},
		{
			name: "rename",
			label: words.renameSection,
			icon: Pencil,
			run: () => ui.show({ kind: "section", name, room: null }),
		},
	];
	if (all.indexOf(name) > 0)
		items.push({
			name: "up",
			label: words.moveUp,
			icon: ArrowUp,
			run: () => arrangement.change(moveSection(name, -1)),
		});
	if (all.indexOf(name) < all.length - 1)
		items.push({
			name: "down",
			label: words.moveDown,
			icon: ArrowDown,
			run: () => arrangement.change(moveSection(name, 1)),
		});
	items.push({
		name: "remove",
		label: words.removeSection,
		icon: Trash2,
		danger: true,
		run: () => arrangement.change(removeSection(name)),
	});
	return items;
}

/** `near`: where the room's menu is; that of its sections takes its place. */
export function ofRoom(chat: Chat, room: RoomState, near: DOMRect): MenuItem[] {
	const { arrangement } = chat;
	const starred = arrangement.now.favourites.includes(room.id);
	const items: MenuItem[] = [
		{ name: "read", label: t().markRead, icon: CheckCheck, run: () => markRead(chat, [room]) },
		{
			name: "favourite",
			label: starred ? t().unstar : t().star,
			icon: starred ? StarOff : Star,
			run: () => arrangement.change(favourite(room.id, !starred)),
		},
		{
			name: "section",
			label: t().moveToSection,
			icon: FolderInput,
			run: () => {
				ui.menu = { near, label: t().moveToSection, items: sectionsFor(chat, room) };
			},
		},
	];
	if (room.kind === "direct")
		items.push({ name: "close", label: t().closeDirect, icon: X, run: () => closeDirect(chat, room) });
	return items;
}

function sectionsFor(chat: Chat, room: RoomState): MenuItem[] {
	const { arrangement } = chat;
	const within = arrangement.now.sections.find((section) => section.rooms.includes(room.id));
	const items: MenuItem[] = arrangement.now.sections
		.filter((section) => section !== within)
		.map(({ name }) => ({
			name: `to-${name}`,
			label: name,
			icon: Folder,
			run: () => arrangement.change(intoSection(room.id, name)),
		}));
	if (within)
		items.push({
			name: "out",
			label: t().outOfSection,
			icon: FolderOutput,
			run: () => arrangement.change(intoSection(room.id, null)),
		});
	items.push({
		name: "new-section",
		label: t().newSection,
		icon: FolderPlus,
		run: () => ui.show({ kind: "section", name: null, room: room.id }),
	});
	return items;
}

function closeDirect(chat: Chat, room: RoomState): void {
	if (chat.unreadIn(room) > 0) markRead(chat, [room]);
	chat.arrangement.change(close(room.id, room.n));
	// An open conversation stays in the list.
	if (route.slug === room.slug)
		route.go([...chat.rooms.values()].find((other) => other.kind !== "direct")?.slug ?? "");
}
