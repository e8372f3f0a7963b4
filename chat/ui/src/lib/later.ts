import { t } from "./i18n/index.svelte";
import { toasts } from "./state/toasts.svelte";

/** After this many milliseconds a part is loaded even if the page never rests. */
const LATEST_MS = 5_000;

/** A part of the page that its first view does not need, in a file of its own. */
export class Later<Part> {
	private loading: Promise<Part> | null = null;

	/** `load` is an `import()`. */
	constructor(private readonly load: () => Promise<Part>) {}

	/** The part, loaded once. Rejects if the server is unreachable or has been updated; the next call tries again. */
	get(): Promise<Part> {
		this.loading ??= this.load().catch((error) => {
			this.loading = null;
			throw error;
		});
		return this.loading;
	}

	/** The part; null if it cannot be loaded, of which the reader is told. */
	async got(): Promise<Part | null> {
		try {
			return await this.get();
		} catch {
			toasts.show(t().partNotLoaded, "error");
			return null;
		}
	}

	/** Loads it while the page has nothing else to do, so that it is there at once and without the server. */
	soon(): void {
		const quietly = () => void this.get().catch(() => {});
		if (typeof requestIdleCallback === "function") requestIdleCallback(quietly, { timeout: LATEST_MS });
		else setTimeout(quietly, LATEST_MS);
	}
}

export const dialogs = new Later(() => import("../dialogs/Dialogs.svelte"));
export const emojiPicker = new Later(() => import("../components/EmojiPicker.svelte"));
export const mentionParts = new Later(() => import("../components/mention-parts"));
export const threadParts = new Later(() => import("../components/thread-parts"));
export const listMenus = new Later(() => import("./list-menus"));
