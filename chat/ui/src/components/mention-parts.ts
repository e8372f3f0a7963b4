/** What the page shows of mentions only on demand. */
export { default as MentionMenu } from "./MentionMenu.svelte";
export { default as MentionsView } from "./MentionsView.svelte";
