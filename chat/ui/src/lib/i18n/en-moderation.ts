/** What the page says about reports and moderation, in English. */

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

/** `a moderator`, `an owner`. */
const withArticle = (role: string) => `${/^[aeiou]/.test(role) ? "an" : "a"} ${role}`;

export const moderation = {
	duration,
	actions: "Actions",
	memberActions: (name: string) => `Actions for ${name}`,
	reason: "Reason",
	reasonHint: "Owners and moderators can read it in the moderation log. The person does not see it.",
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
		"member.unmute": "Unmute…",
		"member.remove": "Remove from room…",
		"member.ban": "Ban…",
		"member.unban": "Lift ban…",
		"member.role": "Change role…",
	},
	title: {
		"message.delete": "Remove this message?",
		"message.restore": "Restore this message?",
		"member.mute": (name: string) => `Mute ${name}`,
		"member.unmute": (name: string) => `Unmute ${name}?`,
		"member.remove": (name: string) => `Remove ${name} from the room?`,
		"member.ban": (name: string) => `Ban ${name} from the room?`,
		"member.unban": (name: string) => `Lift the ban on ${name}?`,
		"member.role": (name: string) => `Role of ${name}`,
	},
	button: {
		"message.delete": "Remove message",
		"message.restore": "Restore message",
		"member.mute": "Mute",
		"member.unmute": "Unmute",
		"member.remove": "Remove",
		"member.ban": "Ban",
		"member.unban": "Lift ban",
		"member.role": "Change role",
	},
	effect: {
		"message.delete": (author: string) => [
			`Everyone will see that a moderator removed a message by ${author} here.`,
			"The text is kept, and you can restore it.",
		],
		"message.restore": (author: string) => [`Everyone will be able to read this message by ${author} again.`],
		"member.mute": (name: string, until: string) => [
			`Until ${until}, ${name} cannot write, edit or react here, but can still read.`,
			"Everyone in the room will see this.",
		],
		"member.unmute": (name: string) => [`${name} can write here again immediately.`],
		"member.remove": (name: string, isPublic: boolean) => [
			`${name} immediately stops getting messages from this room, on all devices.`,
			isPublic ? "The room is public, so they can join it again." : "They can come back only by invitation.",
		],
		"member.ban": (name: string) => [
			`${name} is removed from this room immediately, on all devices.`,
			"They cannot come back, not even by invitation, until the ban is lifted.",
		],
		"member.unban": (name: string) => [
			`${name} may come back. Lifting the ban does not add them to the room.`,
		],
		"member.role": (name: string, role: string) => [`${name} gets the role: ${role}.`],
	},
	muteFor: "For how long",
	role: "Role",
	roles: {
		member: "member",
		moderator: "moderator",
		owner: "owner",
	},
	roleHint: {
		member: "Can read and write.",
		moderator: "Can also remove messages, mute, remove and ban members, and handle reports.",
		owner: "Can also change roles and archive the room.",
	},
	lastOwner: "A room needs at least one owner: appoint another one first.",

	mutedUntil: (until: string) => `You are muted in this room until ${until}. You can read, but not write.`,
	slowMode: "Slow mode",
	slowModeOff: "Off",
	slowModeEvery: (d: string) => `One message every ${d}`,
	slowModeHint: "Members have to wait between messages; owners and moderators do not.",
	slowModeNow: (d: string) => `Slow mode: one message every ${d}.`,
	slowModeWait: (clock: string) => `You can write again in ${clock}.`,
	slowModeKept: (clock: string) => `Your message is kept and will be sent in ${clock}.`,

	report: {
		title: "Report this message",
		category: "What is wrong with it?",
		categories: {
			spam: "Spam",
			harassment: "Harassment",
			hate: "Hate or threats",
			private_data: "Personal data",
			illegal: "Illegal content",
			other: "Something else",
		} as Record<string, string>,
		note: "What should the moderators know?",
		notePlaceholder: "In your own words",
		who: "The moderators of this room will see the report, but not who sent it.",
		send: "Send report",
		thanks: "Thank you. Your report has been sent to the moderators.",
		told: "You will see the outcome here and under “My reports”.",
		done: "Done",
	},
	mine: {
		title: "My reports",
		none: "You have not reported anything.",
		noneNext: "To report a message, choose “Report…” among its actions.",
		unseen: (n: number) => count(n, "answer to your reports", "answers to your reports"),
		about: (author: string, room: string) => `Message by ${author} in ${room}`,
		message: "Go to message",
	},
	states: {
		open: "waiting",
		assigned: "under review",
		resolved: "resolved",
		dismissed: "closed without action",
	} as Record<string, string>,
	outcomes: {
		"message.delete": "the message was removed",
		"member.mute": "the author was muted",
		"member.remove": "the author was removed from the room",
		"member.ban": "the author was banned from the room",
		"person.mute": "the author was muted everywhere",
		"person.deactivate": "the author’s account was deactivated",
	} as Record<string, string>,
	outcome: (room: string, what: string) => `Your report in ${room} was reviewed: ${what}.`,
	noAction: "no action was needed",
	answered: "Answer",

	queue: {
		title: (room: string) => `Reports in ${room}`,
		open: "Reports",
		waiting: "Open",
		closed: "Closed",
		none: "There are no open reports.",
		noneClosed: "No report has been closed yet.",
		count: (n: number) => count(n, "report is waiting", "reports are waiting"),
		people: (n: number) => count(n, "report", "reports"),
		take: "Review",
		taken: (name: string) => `${name} is reviewing it`,
		youTook: "You are reviewing it",
		resolve: "Take action…",
		dismiss: "Close without action…",
		by: (name: string) => `closed by ${name}`,
		act: "What to do",
		acts: {
			"message.delete": "Remove the message",
			"member.mute": "Mute the author",
			"member.remove": "Remove the author from the room",
			"member.ban": "Ban the author from the room",
		},
		resolveTitle: "Take action on a report",
		dismissTitle: "Close without action",
		doIt: "Take action and close",
		closeIt: "Close report",
		answer: "Answer to the person who reported it",
		answerHint: "They will also see what was done, but not by whom.",
		messageGone: "The message is no longer shown.",
		dismissEffect: "Nothing happens to the message or its author. The person who reported it will be told.",
		more: "Show more",
	},
	audit: {
		title: (room: string) => `Moderation log of ${room}`,
		open: "Moderation log",
		none: "Nothing has been recorded here yet.",
		noneNext: "Removed messages, mutes, bans, roles and settings will appear here, with their reasons.",
		notDone: {
			"": "outcome not known yet",
			unchanged: "nothing to change",
			refused: "refused",
			not_done: "not done",
		} as Record<string, string>,
		did: {
			"message.delete": (a: string, s: string) => `${a} removed a message by ${s}`,
			"message.restore": (a: string, s: string) => `${a} restored a message by ${s}`,
			"member.mute": (a: string, s: string, v: string) => `${a} muted ${s} until ${v}`,
			"member.unmute": (a: string, s: string) => `${a} unmuted ${s}`,
			"member.remove": (a: string, s: string) => `${a} removed ${s} from the room`,
			"member.ban": (a: string, s: string) => `${a} banned ${s}`,
			"member.unban": (a: string, s: string) => `${a} lifted the ban on ${s}`,
			"member.role": (a: string, s: string, v: string) => `${a} changed the role of ${s} to ${v}`,
			"room.slow_mode": (a: string, _: string, v: string) => `${a} set slow mode: ${v}`,
			"room.archive": (a: string) => `${a} archived the room`,
			"room.unarchive": (a: string) => `${a} unarchived the room`,
			"room.read": (a: string) => `${a} viewed the room as staff`,
			"report.assign": (a: string, s: string) => `${a} began to review a report about ${s}`,
			"report.dismiss": (a: string, s: string) => `${a} closed a report about ${s} without action`,
			"report.resolve": (a: string, s: string) => `${a} resolved a report about ${s}`,
		} as Record<string, (actor: string, subject: string, value: string) => string>,
		other: (a: string, what: string) => `${a}: ${what}`,
	},
	settings: "Moderation",

	line: {
		banned: (who: string, by: string) => `${by} banned ${who}`,
		unbanned: (who: string, by: string) => `${by} lifted the ban on ${who}`,
		role: (who: string, by: string, role: string) => `${by} made ${who} ${withArticle(role)}`,
		stepsDown: (who: string, role: string) => `${who} is now ${withArticle(role)}`,
		mutedEverywhere: (who: string, until: string) => `${who} is muted everywhere until ${until}`,
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
		"member.remove": (name: string) => `${name} was removed from the room.`,
		"member.ban": (name: string) => `${name} is banned.`,
		"member.unban": (name: string) => `The ban on ${name} is lifted.`,
		"member.role": (name: string) => `The role of ${name} was changed.`,
	},
};

export type ModerationWords = typeof moderation;
