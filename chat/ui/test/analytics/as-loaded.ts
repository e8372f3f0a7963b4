import { vi } from "vitest";

/** Modules as a page in this language loads them: they look at it, and at what was served, once. */
export async function loadedIn<Module>(
	language: "en" | "ru",
	load: () => Promise<Module>,
	{ served = {}, languages = ["en-GB", "ru-RU"] }: { served?: object; languages?: string[] } = {},
): Promise<Module> {
	vi.resetModules();
	vi.spyOn(navigator, "languages", "get").mockReturnValue(languages);
	document.documentElement.lang = language;
	const page = JSON.stringify({ api: "/api/v1/analytics/", allRooms: true, room: null, ...served });
	document.body.innerHTML = `<script type="application/json" id="analytics-page">${page}</script>`;
	return load();
}

/** Text without the spaces that do not break, which formats of numbers and dates have here and there. */
export const plain = (text: string | null) => (text ?? "").replace(/[\u00a0\u202f]/g, " ");
