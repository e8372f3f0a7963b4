import type { Words } from "./en";

export const writing: Words["writing"] = {
	toolbar: "Оформление",
	showToolbar: "Показать оформление",
	hideToolbar: "Скрыть оформление",
	formats: {
		bold: "Полужирный",
		italic: "Курсив",
		strike: "Зачёркнутый",
		link: "Ссылка",
		code: "Код",
		codeBlock: "Блок кода",
		quote: "Цитата",
		bullets: "Маркированный список",
		numbers: "Нумерованный список",
	},
	preview: "Предпросмотр",
	previewEmpty: "Напишите что-нибудь, и здесь будет видно, как это увидят другие.",
	keys: "При наборе текста",
};
