import { tokensOf } from "./highlight-tokens";
import type { Asked } from "./highlighter";

// The page waits for this before it begins to count the time.
postMessage("ready");
addEventListener("message", ({ data: { language, code } }: MessageEvent<Asked>) =>
	postMessage(tokensOf(language, code)),
);
