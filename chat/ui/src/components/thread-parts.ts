/** What the page shows of threads once somebody opens one, in a file of its own. */

export { default as ThreadPanel } from "./ThreadPanel.svelte";
export { default as ThreadsView } from "./ThreadsView.svelte";
