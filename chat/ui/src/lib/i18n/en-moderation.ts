/** What the page says about reports and about keeping order in a room, in English. */

const plural = new Intl.PluralRules("en");
const count = (n: number, one: string, many: string) => `${n} ${plural.select(n) === "one" ? one : many}`;

const UNITS = [
	[86_400, "day", "days"],
	[3_600, "hour", "hours"],
	[60, "minute", "minutes"],
] as const;

/** `10 minutes`, `1 hour`, `7 days`. */
function duration(seconds: number): string {
	for (const [size, one, many] of UNITS)
		if (seconds >= size && seconds % size === 0) return count(seconds / size, one, many);
	return count(seconds, "second", "seconds");
}

export const moderation = {
	duration,
	actions: "Actions",
	memberActions: (name: string) => `Actions for ${name}`,
	reason: "Reason",
	reasonHint: "For the record that owners and moderators can read. The person does not see it.",
	optional: "optional",
	preview: "What this does",
	mutedMark: (until: string) => `muted until ${until}`,
	banned: "Banned",
	removedMessage: "This message was removed by a moderator",
	youReported: "You reported this message",

	menu: {
		report: "Report…",
		copyText: "Copy text",
		"message.delete": "Remove message…",
		"message.restore": "Restore message…",
		"member.mute": "Mute…",
		"member.unmute": "End mute…",
		"member.remove": "Remove from room…",
		"member.ban": "Ban…",
		"member.unban": "Lift ban…",
		"member.role": "Change role…",
	},
	title: {
		"message.delete": "Remove this message?",
		"message.restore": "Restore this message?",
		"member.mute": (name: string) => `Mute ${name}`,
		"member.unmute": (name: string) => `End the mute of ${name}?`,
		"member.remove": (name: string) => `Remove ${name} from the room?`,
		"member.ban": (name: string) => `Ban ${name} from the room?`,
		"member.unban": (name: string) => `Lift the ban of ${name}?`,
		"member.role": (name: string) => `Role of ${name}`,
	},
	button: {
		"message.delete": "Remove message",
		"message.restore": "Restore message",
		"member.mute": "Mute",
		"member.unmute": "End mute",
		"member.remove": "Remove",
		"member.ban": "Ban",
		"member.unban": "Lift ban",
		"member.role": "Change role",
	},
	effect: {
		"message.delete": (author: string) => [
			`Everyone sees that a moderator removed a message of ${author} here.`,
			"The text is kept, and you can restore it.",
		],
		"message.restore": (author: string) => [`Everyone can read this message of ${author} again.`],
		"member.mute": (name: string, until: string) => [
			`Until ${until}, ${name} cannot write, edit or react here. Reading stays possible.`,
			"Everyone in the room sees this.",
		],
		"member.unmute": (name: string) => [`${name} can write here again at once.`],
		"member.remove": (name: string, isPublic: boolean) => [
			`${name} gets no more messages from this room, at once and on all devices.`,
			isPublic
				? "The room is public: they can come back by themselves."
				: "They come back only by invitation.",
		],
		"member.ban": (name: string) => [
			`${name} is out of this room at once, on all devices.`,
			"They cannot come back, not by invitation either, until the ban is lifted.",
		],
		"member.unban": (name: string) => [`${name} may come back. This does not bring them in.`],
		"member.role": (name: string, role: string) => [`${name} becomes: ${role}.`],
	},
	muteFor: "For how long",
	role: "Role",
	roles: {
		member: "member",
		moderator: "moderator",
		owner: "owner",
	},
	roleHint: {
		member: "Reads and writes.",
		moderator: "Also removes messages, mutes, removes and bans members, and works on reports.",
		owner: "Also changes roles and archives the room.",
	},
	lastOwner: "A room keeps at least one owner: name another one first.",

	mutedUntil: (until: string) => `You are muted in this room until ${until}. You can read, not write.`,
	slowMode: "Slow mode",
	slowModeOff: "Off",
	slowModeEvery: (d: string) => `One message every ${d}`,
	slowModeHint: "Members wait between two messages. Owners and moderators do not.",
	slowModeNow: (d: string) => `Slow mode: one message every ${d}.`,
	slowModeWait: (clock: string) => `You can write again in ${clock}.`,
	slowModeKept: (clock: string) => `Your message is kept and sent in ${clock}.`,

	report: {
		title: "Report this message",
		category: "What is wrong with it?",
		categories: {
			spam: "Spam",
			harassment: "Harassment",
			hate: "Hatred or threats",
			private_data: "Private data",
			illegal: "Illegal content",
			other: "Something else",
		} as Record<string, string>,
		note: "What should those who look at it know?",
		notePlaceholder: "In your own words",
		who: "Those who moderate the room see the report, not who made it.",
		send: "Send report",
		thanks: "Thank you. Your report is on its way to those who keep order here.",
		told: "You are told how it ends, here and under “My reports”.",
		done: "Done",
	},
	mine: {
		title: "My reports",
		none: "You have not reported anything.",
		noneNext: "Every message has “Report…” in its actions.",
		unseen: (n: number) => count(n, "answer to your reports", "answers to your reports"),
		about: (author: string, room: string) => `Message of ${author} in ${room}`,
		message: "Go to message",
	},
	states: {
		open: "waiting",
		assigned: "being looked at",
		resolved: "resolved",
		dismissed: "closed without action",
	} as Record<string, string>,
	outcomes: {
		"message.delete": "the message was removed",
		"member.mute": "who wrote the message was muted",
		"member.remove": "who wrote the message was removed from the room",
		"member.ban": "who wrote the message was banned from the room",
		"person.mute": "who wrote the message was muted everywhere",
		"person.deactivate": "the account that wrote the message was closed",
	} as Record<string, string>,
	outcome: (room: string, what: string) => `Your report in ${room} was looked at: ${what}.`,
	noAction: "no action was needed",
	answered: "Answer",

	queue: {
		title: (room: string) => `Reports in ${room}`,
		open: "Reports",
		waiting: "Waiting",
		closed: "Closed",
		none: "No reports are waiting.",
		noneClosed: "No report has been closed yet.",
		count: (n: number) => count(n, "report is waiting", "reports are waiting"),
		people: (n: number) => count(n, "report", "reports"),
		take: "Take it",
		taken: (name: string) => `${name} is looking at it`,
		youTook: "You are looking at it",
		resolve: "Act…",
		dismiss: "Close without action…",
		by: (name: string) => `closed by ${name}`,
		act: "What to do",
		acts: {
			"message.delete": "Remove the message",
			"member.mute": "Mute the author",
			"member.remove": "Remove the author from the room",
			"member.ban": "Ban the author from the room",
		},
		resolveTitle: "Act on a report",
		dismissTitle: "Close without action",
		doIt: "Act and close the report",
		closeIt: "Close the report",
		answer: "Answer to who reported it",
		answerHint: "They also learn what was done, not by whom.",
		messageGone: "The message is not shown any more.",
		dismissEffect: "Nothing happens to the message or its author. Who reported it is told.",
		more: "Show more",
	},
	audit: {
		title: (room: string) => `What was done in ${room}`,
		open: "What was done here",
		none: "Nothing is on record here yet.",
		noneNext: "Removed messages, mutes, bans, roles and settings appear here, with their reasons.",
		notDone: {
			"": "its end is not known yet",
			unchanged: "nothing to change",
			refused: "refused",
			not_done: "not done",
		} as Record<string, string>,
		did: {
			"message.delete": (a: string, s: string) => `${a} removed a message of ${s}`,
			"message.restore": (a: string, s: string) => `${a} restored a message of ${s}`,
			"member.mute": (a: string, s: string, v: string) => `${a} muted ${s} until ${v}`,
			"member.unmute": (a: string, s: string) => `${a} ended the mute of ${s}`,
			"member.remove": (a: string, s: string) => `${a} removed ${s} from the room`,
			"member.ban": (a: string, s: string) => `${a} banned ${s}`,
			"member.unban": (a: string, s: string) => `${a} lifted the ban of ${s}`,
			"member.role": (a: string, s: string, v: string) => `${a} changed the role of ${s} to ${v}`,
			"room.slow_mode": (a: string, _: string, v: string) => `${a} set slow mode: ${v}`,
			"room.archive": (a: string) => `${a} archived the room`,
			"room.unarchive": (a: string) => `${a} brought the room back from the archive`,
			"room.read": (a: string) => `${a} looked into the room as staff`,
			"report.assign": (a: string, s: string) => `${a} took a report about ${s}`,
			"report.dismiss": (a: string, s: string) => `${a} closed a report about ${s} without action`,
			"report.resolve": (a: string, s: string) => `${a} resolved a report about ${s}`,
		} as Record<string, (actor: string, subject: string, value: string) => string>,
		other: (a: string, what: string) => `${a}: ${what}`,
	},
	settings: "Keeping order",

	line: {
		banned: (who: string, by: string) => `${by} banned ${who}`,
		unbanned: (who: string, by: string) => `${by} lifted the ban of ${who}`,
		role: (who: string, by: string, role: string) => `${by} made ${who} ${role}`,
		stepsDown: (who: string, role: string) => `${who} is now ${role}`,
		mutedEverywhere: (who: string, until: string) => `${who} may write nowhere until ${until}`,
		slowMode: (by: string, d: string) => `${by} turned on slow mode: one message every ${d}`,
		slowModeOff: (by: string) => `${by} turned slow mode off`,
	},
	out: {
		removed: (room: string) => `You were removed from ${room}.`,
		banned: (room: string) => `You were banned from ${room}.`,
	},
	done: {
		"message.delete": "The message was removed.",
		"message.restore": "The message was restored.",
		"member.mute": (name: string) => `${name} is muted.`,
		"member.unmute": (name: string) => `${name} can write again.`,
		"member.remove": (name: string) => `${name} is out of the room.`,
		"member.ban": (name: string) => `${name} is banned.`,
		"member.unban": (name: string) => `The ban of ${name} is lifted.`,
		"member.role": (name: string) => `The role of ${name} was changed.`,
	},
};

export type ModerationWords = typeof moderation;
