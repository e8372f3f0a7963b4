import { isolated } from "../format";
import { en, type Words } from "./en";
import { ru } from "./ru";

export type Language = "en" | "ru";
export const LANGUAGES: { code: Language; name: string }[] = [
	{ code: "en", name: "English" },
	{ code: "ru", name: "Русский" },
];

/**
 * The words, with every name inside a sentence isolated, so that a right-to-left name does not reorder the text
 * beside it.
 */
function withNames<T>(words: T): T {
	if (typeof words === "function") {
		return ((...given: unknown[]) =>
			words(...given.map((one) => (typeof one === "string" ? isolated(one) : one)))) as T;
	}
	if (typeof words !== "object" || words === null || Array.isArray(words)) return words;
	return Object.fromEntries(Object.entries(words).map(([key, value]) => [key, withNames(value)])) as T;
}

const DICTIONARIES: Record<Language, Words> = { en: withNames(en), ru: withNames(ru) };
/** Django's own cookie, so that the sign-in pages follow the choice made here. */
const COOKIE = "django_language";
const ONE_YEAR_SECONDS = 31_536_000;

function initial(): Language {
	const chosen = new RegExp(`(?:^|; )${COOKIE}=([a-z]+)`).exec(document.cookie)?.[1];
	const language = chosen ?? document.documentElement.lang ?? navigator.language;
	return language.startsWith("ru") ? "ru" : "en";
}

class Choice {
	code = $state<Language>(initial());
	/** The words, with the reader's country for dates and times if the browser names one. */
	words: Words = $derived({
		...DICTIONARIES[this.code],
		locale: navigator.languages.find((tag) => tag.startsWith(this.code)) ?? this.code,
	});

	choose(code: Language): void {
		this.code = code;
		// biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser
		document.cookie = `${COOKIE}=${code}; path=/; max-age=${ONE_YEAR_SECONDS}; samesite=lax`;
		document.documentElement.lang = code;
	}
}

export const language = new Choice();

/** The words of the chosen language. */
export function t(): Words {
	return language.words;
}
