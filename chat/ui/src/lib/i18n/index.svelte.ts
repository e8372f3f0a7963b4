import { isolated } from "../format";
import { en, type Words } from "./en";

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

/** English comes with the page, and stands in for what cannot be loaded. */
const LOADERS: Record<Language, () => Promise<Words>> = {
	en: async () => en,
	ru: async () => (await import("./ru")).ru,
};
/** Django's own cookie, so that the sign-in pages follow the choice made here. */
const COOKIE = "django_language";
const ONE_YEAR_SECONDS = 31_536_000;

function initial(): Language {
	const chosen = new RegExp(`(?:^|; )${COOKIE}=([a-z]+)`).exec(document.cookie)?.[1];
	const language = chosen ?? document.documentElement.lang ?? navigator.language;
	return language.startsWith("ru") ? "ru" : "en";
}

class Choice {
	code = $state<Language>("en");
	private spoken = $state.raw<Words>(withNames(en));
	/** The words, with the reader's country for dates and times if the browser names one. */
	words: Words = $derived({
		...this.spoken,
		locale: navigator.languages.find((tag) => tag.startsWith(this.code)) ?? this.code,
	});

	/** Loads the words of the reader's language. Until then, and if that fails, they are English. */
	async start(): Promise<void> {
		await this.speak(initial()).catch(() => {});
	}

	/** Rejects, and changes nothing, if the words cannot be loaded. */
	async choose(code: Language): Promise<void> {
		await this.speak(code);
		// biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser
		document.cookie = `${COOKIE}=${code}; path=/; max-age=${ONE_YEAR_SECONDS}; samesite=lax`;
		document.documentElement.lang = code;
	}

	private async speak(code: Language): Promise<void> {
		this.spoken = withNames(await LOADERS[code]());
		this.code = code;
	}
}

export const language = new Choice();

/** The words of the chosen language. */
export function t(): Words {
	return language.words;
}
