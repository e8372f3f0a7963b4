import type { SearchWords } from "./en-search";

const plural = new Intl.PluralRules("ru");

function count(n: number, one: string, few: string, many: string): string {
	const form = plural.select(n);
	return `${n} ${form === "one" ? one : form === "few" ? few : many}`;
}

export const search: SearchWords = {
	title: "Поиск сообщений",
	label: "Слова или from: in: before: has: …",
	open: "Поиск сообщений",
	openFor: (words) => `Искать сообщения: «${words}»`,
	where: "Где искать",
	here: (room) => `В комнате «${room}»`,
	everywhere: "Во всех моих комнатах",
	order: "Порядок",
	newest: "Новые",
	relevant: "Подходящие",
	nothing: "Ничего не найдено. Самые свежие сообщения могут ещё не попадать в поиск.",
	nothingNext: "Попробуйте другие слова или меньше слов.",
	lookEverywhere: "Искать во всех моих комнатах",
	withoutFilters: "Убрать фильтры",
	more: "Показать ещё",
	narrow: "Найдено не всё: добавьте слово, чтобы уточнить поиск.",
	count: (n, more) => (more ? `Результатов больше ${n}` : count(n, "результат", "результата", "результатов")),
	filters: "Фильтры",
	remove: (filter) => `Убрать фильтр ${filter}`,
	suggestions: "Подсказки",
	recent: "Недавние запросы",
	clearRecent: "Очистить",
	help: "Уточните поиск",
	helpMore: "Минус исключает: -from:anna, -слово. В кавычках всё — просто текст: «on:click».",
	operators: {
		from: "кто написал: имя или me (вы сами)",
		in: "в какой комнате",
		with: "в вашей переписке с человеком",
		before: "до этой даты: 2026-11-29",
		after: "после этой даты",
		on: "в этот день",
		has: "со ссылкой, кодом или реакцией",
		is: "изменённые сообщения",
	},
	values: {
		me: "ваши сообщения",
		link: "со ссылкой",
		code: "с кодом",
		reaction: "с реакцией",
		edited: "изменённые",
	},
	day: "Другой день",
	goToDate: "Перейти к дате",
	date: "Дата",
	go: "Перейти",
	dates: {
		today: "Сегодня",
		yesterday: "Вчера",
		week: "Неделю назад",
		month: "Месяц назад",
		first: "К началу",
	},
	nothingThatDay: (day) => `В этот день ничего не писали. Ближайшие следующие сообщения: ${day}.`,
	nothingSince: "С этого дня ничего не писали.",
};
