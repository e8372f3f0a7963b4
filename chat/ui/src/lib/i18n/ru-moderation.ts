import type { ModerationWords } from "./en-moderation";

const plural = new Intl.PluralRules("ru");

function count(n: number, one: string, few: string, many: string): string {
	const form = plural.select(n);
	return `${n} ${form === "one" ? one : form === "few" ? few : many}`;
}

const UNITS = [
	[86_400, "день", "дня", "дней"],
	[3_600, "час", "часа", "часов"],
	[60, "минуту", "минуты", "минут"],
] as const;

/** В винительном падеже: «на 1 минуту», «раз в 30 секунд». */
function duration(seconds: number): string {
	for (const [size, one, few, many] of UNITS)
		if (seconds >= size && seconds % size === 0) return count(seconds / size, one, few, many);
	return count(seconds, "секунду", "секунды", "секунд");
}

export const moderation: ModerationWords = {
	duration,
	actions: "Действия",
	memberActions: (name) => `Действия: ${name}`,
	reason: "Причина",
	reasonHint: "Её увидят в журнале модерации владельцы и модераторы, но не сам человек.",
	optional: "необязательно",
	preview: "Что произойдёт",
	mutedMark: (until) => `не может писать до ${until}`,
	banned: "Заблокированные",
	removedMessage: "Сообщение удалено модератором",
	youReported: "Вы пожаловались на это сообщение",

	menu: {
		report: "Пожаловаться…",
		copyText: "Скопировать текст",
		"message.delete": "Удалить сообщение…",
		"message.restore": "Восстановить сообщение…",
		"member.mute": "Запретить писать…",
		"member.unmute": "Снова разрешить писать…",
		"member.remove": "Удалить из комнаты…",
		"member.ban": "Заблокировать…",
		"member.unban": "Снять блокировку…",
		"member.role": "Изменить роль…",
	},
	title: {
		"message.delete": "Удалить это сообщение?",
		"message.restore": "Восстановить это сообщение?",
		"member.mute": (name) => `Запретить писать: ${name}`,
		"member.unmute": (name) => `Снова разрешить писать: ${name}?`,
		"member.remove": (name) => `Удалить из комнаты: ${name}?`,
		"member.ban": (name) => `Заблокировать в комнате: ${name}?`,
		"member.unban": (name) => `Снять блокировку: ${name}?`,
		"member.role": (name) => `Роль: ${name}`,
	},
	button: {
		"message.delete": "Удалить сообщение",
		"message.restore": "Восстановить",
		"member.mute": "Запретить писать",
		"member.unmute": "Разрешить писать",
		"member.remove": "Удалить из комнаты",
		"member.ban": "Заблокировать",
		"member.unban": "Снять блокировку",
		"member.role": "Изменить роль",
	},
	effect: {
		"message.delete": (author) => [
			`Все увидят, что модератор удалил здесь сообщение. Автор: ${author}.`,
			"Текст сохранится, и его можно будет восстановить.",
		],
		"message.restore": (author) => [`Все снова смогут прочитать это сообщение. Автор: ${author}.`],
		"member.mute": (name, until) => [
			`${name} до ${until} не сможет писать, изменять сообщения и ставить реакции, но сможет читать.`,
			"Это увидят все в комнате.",
		],
		"member.unmute": (name) => [`${name} сразу сможет снова писать.`],
		"member.remove": (name, isPublic) => [
			`${name} сразу перестанет получать сообщения из этой комнаты, на всех устройствах.`,
			isPublic
				? "Комната открытая: вернуться можно самостоятельно."
				: "Вернуться можно только по приглашению.",
		],
		"member.ban": (name) => [
			`${name} сразу потеряет доступ к комнате, на всех устройствах.`,
			"Вернуться нельзя, даже по приглашению, пока блокировку не снимут.",
		],
		"member.unban": (name) => [
			`${name} сможет вернуться в комнату. Само снятие блокировки никого не возвращает.`,
		],
		"member.role": (name, role) => [`${name} получит роль: ${role}.`],
	},
	muteFor: "На какое время",
	role: "Роль",
	roles: {
		member: "участник",
		moderator: "модератор",
		owner: "владелец",
	},
	roleHint: {
		member: "Может читать и писать.",
		moderator:
			"Кроме того, может удалять сообщения, запрещать писать, удалять и блокировать участников, разбирать жалобы.",
		owner: "Кроме того, может менять роли и отправлять комнату в архив.",
	},
	lastOwner: "В комнате должен остаться хотя бы один владелец: сначала назначьте другого.",

	mutedUntil: (until) => `Вам запрещено писать в этой комнате до ${until}. Читать можно.`,
	slowMode: "Медленный режим",
	slowModeOff: "Выключен",
	slowModeEvery: (d) => `Одно сообщение раз в ${d}`,
	slowModeHint: "Участники могут писать не чаще. Владельцев и модераторов это не касается.",
	slowModeNow: (d) => `Медленный режим: одно сообщение раз в ${d}.`,
	slowModeWait: (clock) => `Снова написать можно через ${clock}.`,
	slowModeKept: (clock) => `Ваше сообщение сохранено и отправится через ${clock}.`,

	report: {
		title: "Пожаловаться на сообщение",
		category: "Что с ним не так?",
		categories: {
			spam: "Спам",
			harassment: "Травля",
			hate: "Ненависть или угрозы",
			private_data: "Личные данные",
			illegal: "Незаконный контент",
			other: "Другое",
		},
		note: "Что стоит знать модераторам?",
		notePlaceholder: "Своими словами",
		who: "Модераторы комнаты увидят жалобу, но не узнают, кто её подал.",
		send: "Отправить жалобу",
		thanks: "Спасибо. Жалоба передана модераторам.",
		told: "О решении вы узнаете здесь и в разделе «Мои жалобы».",
		done: "Готово",
	},
	mine: {
		title: "Мои жалобы",
		none: "Вы ни на что не жаловались.",
		noneNext: "Чтобы пожаловаться на сообщение, выберите «Пожаловаться…» среди его действий.",
		unseen: (n) => count(n, "ответ на ваши жалобы", "ответа на ваши жалобы", "ответов на ваши жалобы"),
		about: (author, room) => `Сообщение в ${room}, автор: ${author}`,
		message: "К сообщению",
	},
	states: {
		open: "ждёт рассмотрения",
		assigned: "на рассмотрении",
		resolved: "меры приняты",
		dismissed: "закрыта без мер",
	},
	outcomes: {
		"message.delete": "сообщение удалено",
		"member.mute": "автору сообщения запрещено писать",
		"member.remove": "автор сообщения удалён из комнаты",
		"member.ban": "автор сообщения заблокирован в комнате",
		"person.mute": "автору сообщения запрещено писать везде",
		"person.deactivate": "учётная запись автора сообщения отключена",
	},
	outcome: (room, what) => `Ваша жалоба в ${room} рассмотрена: ${what}.`,
	noAction: "меры не понадобились",
	answered: "Ответ",

	queue: {
		title: (room) => `Жалобы в ${room}`,
		open: "Жалобы",
		waiting: "Открытые",
		closed: "Закрытые",
		none: "Открытых жалоб нет.",
		noneClosed: "Закрытых жалоб пока нет.",
		count: (n) => count(n, "жалоба ждёт", "жалобы ждут", "жалоб ждут"),
		people: (n) => count(n, "жалоба", "жалобы", "жалоб"),
		take: "Взять в работу",
		taken: (name) => `Разбирает: ${name}`,
		youTook: "Разбираете вы",
		resolve: "Принять меры…",
		dismiss: "Закрыть без мер…",
		by: (name) => `закрыта: ${name}`,
		act: "Что сделать",
		acts: {
			"message.delete": "Удалить сообщение",
			"member.mute": "Запретить автору писать",
			"member.remove": "Удалить автора из комнаты",
			"member.ban": "Заблокировать автора в комнате",
		},
		resolveTitle: "Принять меры по жалобе",
		dismissTitle: "Закрыть без мер",
		doIt: "Принять меры и закрыть жалобу",
		closeIt: "Закрыть жалобу",
		answer: "Ответ тому, кто пожаловался",
		answerHint: "Этот человек узнает и о том, что сделано, но не о том, кем.",
		messageGone: "Сообщение больше не показывается.",
		dismissEffect: "С сообщением и автором ничего не произойдёт. Тот, кто пожаловался, узнает об этом.",
		more: "Показать ещё",
	},
	audit: {
		title: (room) => `Журнал модерации: ${room}`,
		open: "Журнал модерации",
		none: "Записей пока нет.",
		noneNext:
			"Здесь появятся удаления сообщений, запреты писать, блокировки, смены ролей и настроек, с причинами.",
		notDone: {
			"": "исход пока неизвестен",
			unchanged: "менять нечего",
			refused: "отказано",
			not_done: "не выполнено",
		},
		did: {
			"message.delete": (a, s) => `${a} удаляет сообщение. Автор: ${s}`,
			"message.restore": (a, s) => `${a} восстанавливает сообщение. Автор: ${s}`,
			"member.mute": (a, s, v) => `${a} запрещает писать до ${v}: ${s}`,
			"member.unmute": (a, s) => `${a} снова разрешает писать: ${s}`,
			"member.remove": (a, s) => `${a} удаляет из комнаты: ${s}`,
			"member.ban": (a, s) => `${a} блокирует: ${s}`,
			"member.unban": (a, s) => `${a} снимает блокировку: ${s}`,
			"member.role": (a, s, v) => `${a} меняет роль на «${v}»: ${s}`,
			"room.slow_mode": (a, _, v) => `${a} меняет медленный режим: ${v}`,
			"room.archive": (a) => `${a} отправляет комнату в архив`,
			"room.unarchive": (a) => `${a} возвращает комнату из архива`,
			"room.read": (a) => `${a} просматривает комнату как сотрудник`,
			"report.assign": (a, s) => `${a} берёт в работу жалобу. На кого: ${s}`,
			"report.dismiss": (a, s) => `${a} закрывает жалобу без мер. На кого: ${s}`,
			"report.resolve": (a, s) => `${a} принимает меры по жалобе. На кого: ${s}`,
		},
		other: (a, what) => `${a}: ${what}`,
	},
	settings: "Модерация",

	line: {
		banned: (who, by) => `${by} блокирует: ${who}`,
		unbanned: (who, by) => `${by} снимает блокировку: ${who}`,
		role: (who, by, role) => `${by} назначает роль «${role}»: ${who}`,
		stepsDown: (who, role) => `${who} теперь ${role}`,
		mutedEverywhere: (who, until) => `${who} не может писать ни в одной комнате до ${until}`,
		slowMode: (by, d) => `${by} включает медленный режим: одно сообщение раз в ${d}`,
		slowModeOff: (by) => `${by} выключает медленный режим`,
	},
	out: {
		removed: (room) => `Вас удалили из комнаты ${room}.`,
		banned: (room) => `Вас заблокировали в комнате ${room}.`,
	},
	done: {
		"message.delete": "Сообщение удалено.",
		"message.restore": "Сообщение восстановлено.",
		"member.mute": (name) => `${name} больше не может писать.`,
		"member.unmute": (name) => `${name} снова может писать.`,
		"member.remove": (name) => `${name} больше не в комнате.`,
		"member.ban": (name) => `${name} больше не имеет доступа к комнате.`,
		"member.unban": (name) => `Блокировка снята: ${name}.`,
		"member.role": (name) => `Роль изменена: ${name}.`,
	},
};
