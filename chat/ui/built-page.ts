import type { UserConfig } from "vite";

/**
 * How the scripts and the styles of one page are built into the static files of a Django app, which finds them by
 * the manifest. Each page is a build of its own. What it imports with `import()` is a file of its own, loaded when it is
 * needed.
 *
 * The names have a digest as Django's would, and Django keeps them: a renamed file would be loaded and run a second time
 * by those that import it by its first name. See chatsite/web/static_storage.py.
 */
const NAMES = {
	hashCharacters: "hex",
	entryFileNames: "assets/[name].[hash:12].js",
	chunkFileNames: "assets/[name].[hash:12].js",
	assetFileNames: "assets/[name].[hash:12][extname]",
} as const;

export function builtPage(app: string, entry: string): UserConfig {
	return {
		worker: { format: "es", rolldownOptions: { output: NAMES } },
		base: `/static/${app}/build/`,
		build: {
			outDir: `../../${app}/static/${app}/build`,
			emptyOutDir: true,
			manifest: "manifest.json",
			// Notices that the licences of the packages ask for; the scripts themselves have no comments.
			license: { fileName: "licenses.md" },
			target: "es2022",
			rolldownOptions: {
				input: entry,
				output: NAMES,
				// A slow machine is no fault of the build.
				checks: { bundlerTimings: false },
			},
		},
	};
}
