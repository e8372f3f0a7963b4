import type { Words } from "./en";

const plural = new Intl.PluralRules("ru");

function replies(n: number): string {
	const form = plural.select(n);
	return `${n} ${form === "one" ? "ответ" : form === "few" ? "ответа" : "ответов"}`;
}

export const threads: Words["threads"] = {
	title: "Обсуждения",
	thread: "Обсуждение",
	replies: "Ответы",
	reply: "Ответить в обсуждении",
	placeholder: "Ответ в обсуждении",
	toRoom: (place) => `Отправить и в ${place}`,
	count: replies,
	last: (moment) => `последний: ${moment}`,
	none: "Ответов пока нет",
	inThread: "Ответ в обсуждении",
	earlier: "Показать более ранние ответы",
	follow: "Следить за обсуждением",
	mute: "Не следить за обсуждением",
	close: "Закрыть обсуждение",
	unreadable: "Сейчас обсуждение показать нельзя.",
	rootGone: "Первое сообщение удалено, отвечать здесь больше нельзя.",
	unreadReplies: "Есть непрочитанные ответы",
	unread: (n) => {
		const form = plural.select(n);
		const what = form === "one" ? "обсуждение" : form === "few" ? "обсуждения" : "обсуждений";
		return `${n} ${what} с непрочитанными ответами`;
	},
	newReplies: (n) => `новых: ${n}`,
	empty:
		"Вы пока не следите ни за одним обсуждением. Ответьте в обсуждении или нажмите в нём на колокольчик, и оно появится здесь.",
	more: "Показать ещё",
};
