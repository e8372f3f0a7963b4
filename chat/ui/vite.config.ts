import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { builtPage } from "./built-page.ts";
import { emojiRows } from "./emoji-rows.ts";

export default defineConfig({
	...builtPage("chat", "src/main.ts"),
	plugins: [svelte(), emojiRows()],
	// Vitest's "browser" condition picks Svelte's client runtime.
	resolve: process.env.VITEST ? { conditions: ["browser"] } : {},
	test: {
		environment: "happy-dom",
		include: ["test/**/*.test.ts"],
		// A hundred rows take a second in jsdom, and a busy machine many times as long.
		testTimeout: 30_000,
		setupFiles: "test/what-jsdom-lacks.ts",
		restoreMocks: true,
		// Transformed by the plugin above, as in the build.
		server: { deps: { inline: ["emojibase-data"] } },
	},
});
