import type { UserInfo } from "./client/frames";
import type { Word } from "./mention-text";

/** What the person can choose while writing a name. */
export interface Choice {
	key: string;
	/** What is put into the text, with its sign. */
	text: string;
	label: string;
	hint: string;
	/** Somebody who is not in the room. */
	outside: UserInfo | null;
}

/** What choices are made of. */
export interface Choosable {
	/** People of the room, and others, best first. */
	members: UserInfo[];
	others: UserInfo[];
	groups: readonly { id: number; handle: string; name: string; members: number }[];
	rooms: readonly { id: number; slug: string; name: string }[];
	me: number;
	words: {
		group: string;
		everybody: string;
		present: string;
		invite: string;
		people: (n: number) => string;
	};
}

const MOST = 8;

function begins(query: string, ...names: string[]): boolean {
	const sought = query.toLowerCase();
	return names.some((name) =>
		name
			.toLowerCase()
			.split(/[\s._-]+/)
			.concat(name.toLowerCase())
			.some((part) => part.startsWith(sought)),
	);
}

/** People of the room first, then groups, everybody, and people outside. */
export function choicesFor({ sign, query }: Word, from: Choosable): Choice[] {
	if (sign === "#") {
		return from.rooms
			.filter(({ slug, name }) => begins(query, slug, name))
			.slice(0, MOST)
			.map(({ id, slug, name }) => ({
				key: `r${id}`,
				text: `#${slug}`,
				label: `#${name}`,
				hint: slug === name ? "" : slug,
				outside: null,
			}));
	}
	const { words } = from;
	const person = (user: UserInfo, outside: boolean): Choice => ({
		key: `p${user.id}`,
		text: `@${user.username}`,
		label: user.name,
		hint: outside ? `@${user.username} · ${words.invite}` : `@${user.username}`,
		outside: outside ? user : null,
	});
	const known = new Set(from.members.map(({ id }) => id));
	const people = from.members.filter(({ id }) => id !== from.me).map((user) => person(user, false));
	const groups = from.groups
		.filter(({ handle, name }) => begins(query, handle, name))
		.map(({ id, handle, name, members }) => ({
			key: `g${id}`,
			text: `@${handle}`,
			label: `@${handle}`,
			hint: `${name} · ${words.people(members)}`,
			outside: null,
		}));
	const all = [
		{ key: "room", text: "@room", label: "@room", hint: words.everybody, outside: null },
		{ key: "here", text: "@here", label: "@here", hint: words.present, outside: null },
	].filter(({ key }) => begins(query, key));
	const others = from.others
		.filter(({ id }) => !known.has(id) && id !== from.me)
		.map((user) => person(user, true));
	return [...people.slice(0, MOST - 2), ...groups.slice(0, 3), ...all, ...others.slice(0, 3)].slice(
		0,
		MOST + 2,
	);
}
