/** What the page says about writing texts. */
export const writing = {
	toolbar: "Formatting",
	showToolbar: "Show formatting",
	hideToolbar: "Hide formatting",
	formats: {
		bold: "Bold",
		italic: "Italic",
		strike: "Strikethrough",
		link: "Link",
		code: "Code",
		codeBlock: "Code block",
		quote: "Quote",
		bullets: "Bulleted list",
		numbers: "Numbered list",
		tasks: "Task list",
	},
	forward: "Forward to another room",
	forwardTo: "Room or person",
	forwardHint:
		"The message is put into the message field there, quoted and with its link. Nothing is sent until you send it.",
	showMore: "Show more",
	showLess: "Show less",
	preview: "Preview",
	previewEmpty: "Write something to see it here as others will.",
	keys: "While writing",
};

export const emoji = {
	choose: "Choose an emoji",
	search: "Search emoji",
	categories: "Categories",
	/** By emojibase's number of the category. */
	groups: {
		"-1": "Recently used",
		0: "Smileys and emotion",
		1: "People and gestures",
		3: "Animals and nature",
		4: "Food and drink",
		5: "Travel and places",
		6: "Activities",
		7: "Objects",
		8: "Symbols",
		9: "Flags",
	} as Record<number, string>,
	tone: "Skin tone",
	tones: ["No skin tone", "Light", "Medium-light", "Medium", "Medium-dark", "Dark"],
	none: "No emoji found.",
	notLoaded: "The other emoji could not be loaded.",
	completions: "Emoji",
};
