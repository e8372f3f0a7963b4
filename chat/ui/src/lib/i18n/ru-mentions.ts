import type { Words } from "./en";

const plural = new Intl.PluralRules("ru");

export const mentions: Words["mentions"] = {
	title: "Упоминания",
	count: (n) => {
		const form = plural.select(n);
		const what =
			form === "one"
				? "непрочитанное упоминание"
				: form === "few"
					? "непрочитанных упоминания"
					: "непрочитанных упоминаний";
		return `${n} ${what}`;
	},
	ofMe: "вас упомянули",
	group: "Группа людей",
	empty: "Вас ещё не упоминали. Здесь появятся сообщения с вашим именем, с вашей группой, с @room или @here.",
	more: "Показать ещё",
	people: (n) => `${n} ${["few"].includes(plural.select(n)) ? "человека" : "человек"}`,
	suggestions: "Кого упомянуть",
	rooms: "На какую комнату сослаться",
	everybody: "Все в комнате",
	present: "Все в комнате, кто в сети",
	invite: "не в этой комнате",
	outside: (name) => `${name} — не в этой комнате и ничего не узнает.`,
	inviteThem: "Пригласить",
	invited: (name) => `${name} теперь в комнате.`,
	callsAll: (n) => `Это упоминание увидят все в комнате, человек: ${n}.`,
	callsAllUnknown: "Это упоминание увидят все в комнате.",
};
