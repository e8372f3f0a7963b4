import { SvelteSet } from "svelte/reactivity";

/** The long messages that are shown whole, as `<room>-<seq>`, for as long as the page lives. */
export const unfolded = new SvelteSet<string>();
