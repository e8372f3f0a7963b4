import type { UserConfig } from "vite";

/**
 * How the script and the styles of one page are built into the static files of a Django app, which finds them by
 * the manifest. Each page is a build of its own, so that each is one file: Django renames static files by content,
 * and a chunk that imports the entry by its first name would load and run it a second time.
 */
export function builtPage(app: string, entry: string): UserConfig {
	return {
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
				output: { codeSplitting: false },
				// A slow machine is no fault of the build.
				checks: { bundlerTimings: false },
			},
		},
	};
}
