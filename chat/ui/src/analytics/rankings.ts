/** The cards that rank: rooms, people, words and reactions. */

import type { Room } from "./answers";
import { brief } from "./format";
import { ranked } from "./ranks";
import { noMessages, type Subject } from "./subject";
import { words } from "./words";

const ten = () => ({ limit: "10" });

/** Where a click on a room leads; set by the page. */
export const roomsOpen: { open: (room: Room) => void } = { open: () => {} };

export const topRooms: Subject<"top-rooms"> = {
	operation: "top-rooms",
	query: ten,
	suits: (choice) => choice.room === null,
	nothing: (body) => (body.rows.length === 0 ? noMessages(body) : null),
	draw(body, box) {
		const ranks = body.rows.map((row) => ({
			name: `# ${row.name || row.room}`,
			value: row.messages,
			text: brief(row.messages),
			open: () => roomsOpen.open({ id: row.room, name: row.name, kind: "", archived: row.archived }),
		}));
		box.append(ranked(ranks));
		return null;
	},
	table: (body) => ({
		columns: [
			{ key: "name", label: words.room },
			{ key: "messages" },
			{ key: "characters" },
			{ key: "reactions" },
		],
		rows: body.rows.map(({ archived: _, ...row }) => row),
	}),
};

const personName = (name: string | number) => `${name || words.someone}`;

export const people: Subject<"people"> = {
	operation: "people",
	closed: words.closedRoom,
	query: ten,
	nothing: (body) => (body.rows.length === 0 ? noMessages(body) : null),
	draw(body, box) {
		const ranks = body.rows.map((row) => ({
			name: personName(row.name),
			value: row.quarters,
			text: words.daysCount(row.days),
		}));
		box.append(ranked(ranks));
		return null;
	},
	table: (body) => ({
		columns: [
			{ key: "name", text: personName },
			{ key: "days", label: words.activeDays },
			{ key: "quarters", label: words.activeQuarters },
		],
		rows: body.rows,
	}),
};

export const wordsOfRoom: Subject<"words"> = {
	operation: "words",
	closed: words.closedRoom,
	query: ten,
	suits: (choice) => choice.room !== null,
	nothing: (body) =>
		body.rows.length === 0 ? { title: words.emptyWords, next: words.emptyWordsNext, longer: true } : null,
	draw(body, box) {
		const ranks = body.rows.map((row) => ({
			name: row.word,
			value: row.messages,
			text: brief(row.messages),
		}));
		box.append(ranked(ranks));
		return null;
	},
	table: (body) => ({ columns: [{ key: "word" }, { key: "messages" }], rows: body.rows }),
};

export const emoji: Subject<"emoji"> = {
	operation: "emoji",
	query: ten,
	nothing: (body) =>
		body.rows.length === 0
			? { title: words.emptyReactions, next: words.emptyReactionsNext, longer: true }
			: null,
	draw(body, box) {
		const ranks = body.rows.map((row) => ({
			name: row.emoji,
			value: row.added,
			text: brief(row.added),
			emoji: true,
		}));
		box.append(ranked(ranks));
		return null;
	},
	table: (body) => ({
		columns: [
			{ key: "emoji" },
			{ key: "added", label: words.times },
			{ key: "removed", label: words.takenBack },
		],
		rows: body.rows,
	}),
};
