import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
	plugins: [svelte()],
	base: "/static/chat/build/",
	build: {
		outDir: "../static/chat/build",
		emptyOutDir: true,
		manifest: "manifest.json",
		target: "es2022",
		rolldownOptions: {
			input: "src/main.ts",
			// One file: Django renames static files by content, and a chunk that imports the entry
			// by its first name would load and run it a second time.
			output: { codeSplitting: false },
		},
	},
	// Vitest's "browser" condition picks Svelte's client runtime.
	resolve: process.env.VITEST ? { conditions: ["browser"] } : {},
	test: {
		environment: "happy-dom",
		include: ["test/**/*.test.ts"],
		// A hundred rows take a second in jsdom, and a busy machine many times as long.
		testTimeout: 30_000,
		setupFiles: "test/what-jsdom-lacks.ts",
		restoreMocks: true,
	},
});
