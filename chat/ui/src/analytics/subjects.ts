/** What the cards of the page are about, by the names that the template gives them. */

import { hours, newcomers, weeks } from "./by-week";
import { active, activity, minutes, replies } from "./over-time";
import { emoji, people, topRooms, wordsOfRoom } from "./rankings";
import type { Subject } from "./subject";

export const subjects: Record<string, Subject> = {
	activity,
	minutes,
	active,
	replies,
	hours,
	weeks,
	newcomers,
	people,
	"top-rooms": topRooms,
	words: wordsOfRoom,
	emoji,
};
