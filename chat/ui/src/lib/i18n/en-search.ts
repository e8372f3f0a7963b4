/** What the page says about searching and finding, in English. */

const plural = new Intl.PluralRules("en");
const count = (n: number, one: string, many: string) => `${n} ${plural.select(n) === "one" ? one : many}`;

export const search = {
	title: "Search messages",
	label: "Words, or from: in: before: has: …",
	open: "Search messages",
	openFor: (words: string) => `Search messages for “${words}”`,
	where: "Where to search",
	here: (room: string) => `In ${room}`,
	everywhere: "In all my rooms",
	order: "Order",
	newest: "Newest",
	relevant: "Most relevant",
	nothing: "No message matches. Very recent messages may not be found yet.",
	nothingNext: "Try fewer or other words.",
	lookEverywhere: "Search in all my rooms",
	withoutFilters: "Remove filters",
	more: "Show more",
	narrow: "There are more results: add a word to narrow them down.",
	count: (n: number, more: boolean) => `${more ? "More than " : ""}${count(n, "result", "results")}`,
	filters: "Filters",
	remove: (filter: string) => `Remove the filter ${filter}`,
	suggestions: "Suggestions",
	recent: "Recent searches",
	clearRecent: "Clear",
	help: "Narrow your search",
	helpMore: "A minus excludes: -from:anna, -word. In quotes everything is text: “on:click”.",
	operators: {
		from: "who wrote it: a name, or me",
		in: "in a room",
		with: "in your conversation with a person",
		before: "before a date: 2026-11-29",
		after: "after a date",
		on: "on a day",
		has: "with a link, code or a reaction",
		is: "edited messages",
	},
	values: {
		me: "your own messages",
		link: "with a link",
		code: "with code",
		reaction: "with a reaction",
		edited: "that were edited",
	},
	day: "Another day",
	goToDate: "Go to a date",
	date: "Date",
	go: "Go",
	dates: {
		today: "Today",
		yesterday: "Yesterday",
		week: "A week ago",
		month: "A month ago",
		first: "Beginning",
	},
	nothingThatDay: (day: string) => `Nothing was written that day. These are the next messages: ${day}.`,
	nothingSince: "Nothing has been written since that day.",
};

export type SearchWords = typeof search;
