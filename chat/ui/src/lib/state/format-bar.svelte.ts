const KEY = "veche:format-bar";

/** Whether the buttons for formatting are shown; kept by this browser. On a phone they are asked for. */
class FormatBarChoice {
	shown = $state(initial());

	toggle(): void {
		this.shown = !this.shown;
		try {
			localStorage.setItem(KEY, String(this.shown));
		} catch {
			// The choice lasts as long as the page.
		}
	}
}

function initial(): boolean {
	try {
		const chosen = localStorage.getItem(KEY);
		if (chosen !== null) return chosen === "true";
	} catch {
		// Storage is forbidden.
	}
	return matchMedia("(min-width: 48rem)").matches;
}

export const formatBar = new FormatBarChoice();
