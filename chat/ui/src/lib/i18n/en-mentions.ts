/** What the page says about mentions. */
export const mentions = {
	title: "Mentions",
	count: (n: number) => (n === 1 ? "1 unread mention" : `${n} unread mentions`),
	ofMe: "mentions you",
	group: "Group of people",
	empty:
		"Nobody has mentioned you yet. Messages with your name, a group of yours, @room or @here appear here.",
	more: "Show more mentions",
	people: (n: number) => (n === 1 ? "1 person" : `${n} people`),
	suggestions: "People and groups to mention",
	rooms: "Rooms to link",
	everybody: "Everybody in the room",
	present: "Everybody in the room who is online",
	invite: "not in this room",
	outside: (name: string) => `${name} is not in this room and will not be told.`,
	inviteThem: "Invite",
	invited: (name: string) => `${name} is in the room now.`,
	callsAll: (n: string) => `This mentions everybody here: ${n} people.`,
	callsAllUnknown: "This mentions everybody in the room.",
};
