/** Changes of how a person has arranged their list of rooms. Pure. */

import type { Arranged, BuiltIn, Change } from "./state/arrangement.svelte";

const without = (rooms: readonly number[], room: number) => rooms.filter((other) => other !== room);

export const unreadFirst =
	(on: boolean): Change =>
	(before) => ({ ...before, unread_first: on });

export const favourite =
	(room: number, on: boolean): Change =>
	(before) => ({ ...before, favourites: [...without(before.favourites, room), ...(on ? [room] : [])] });

/** Puts a room into a section; null: into none. A section that another device has deleted is made again. */
export const intoSection =
	(room: number, name: string | null): Change =>
	(before) => {
		const sections = before.sections.map((section) => ({
			...section,
			rooms: [...without(section.rooms, room), ...(section.name === name ? [room] : [])],
		}));
		if (name !== null && !sections.some((section) => section.name === name))
			sections.push({ name, rooms: [room], collapsed: false });
		return { ...before, sections };
	};

export const renameSection =
	(name: string, to: string): Change =>
	(before) =>
		before.sections.some((section) => section.name === to)
			? before
			: {
					...before,
					sections: before.sections.map((one) => (one.name === name ? { ...one, name: to } : one)),
				};

/** Its rooms go back to where they were. */
export const removeSection =
	(name: string): Change =>
	(before) => ({ ...before, sections: before.sections.filter((section) => section.name !== name) });

export const addSection =
	(name: string): Change =>
	(before) =>
		before.sections.some((section) => section.name === name)
			? before
			: { ...before, sections: [...before.sections, { name, rooms: [], collapsed: false }] };

export const moveSection =
	(name: string, step: 1 | -1): Change =>
	(before) => {
		const at = before.sections.findIndex((section) => section.name === name);
		const other = before.sections[at + step];
		const one = before.sections[at];
		if (!one || !other) return before;
		const sections = [...before.sections];
		sections[at] = other;
		sections[at + step] = one;
		return { ...before, sections };
	};

export const collapseSection =
	(name: string, collapsed: boolean): Change =>
	(before) => ({
		...before,
		sections: before.sections.map((one) => (one.name === name ? { ...one, collapsed } : one)),
	});

export const collapseBuiltIn =
	(part: BuiltIn, collapsed: boolean): Change =>
	(before) => ({
		...before,
		collapsed: [...before.collapsed.filter((other) => other !== part), ...(collapsed ? [part] : [])],
	});

/** How many closed conversations are remembered; of more, those closed first come back. */
const MOST_CLOSED = 500;

export const close =
	(room: number, n: number): Change =>
	(before) => ({
		...before,
		closed: [...before.closed.filter((one) => one.room !== room), { room, n }].slice(-MOST_CLOSED),
	});

export const reopen =
	(room: number): Change =>
	(before) => ({ ...before, closed: before.closed.filter((one) => one.room !== room) });

export function isClosed(arranged: Arranged, room: { id: number; n: number }): boolean {
	return arranged.closed.some((one) => one.room === room.id && room.n <= one.n);
}
