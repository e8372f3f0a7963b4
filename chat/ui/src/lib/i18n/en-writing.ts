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
	},
	preview: "Preview",
	previewEmpty: "Write something to see it here as others will.",
	keys: "While writing",
};
