import { SvelteMap } from "svelte/reactivity";
import type { ModerationRest, Report } from "../moderation-rest";

/** Notices to a page may be lost, so it also asks while somebody looks at it. */
const ASK_EVERY_MS = 30_000;

/** The reports that the person made, and how many wait in the rooms that they moderate. */
export class Reports {
	/** By id; those of the newest page, which has everything still of interest. */
	readonly mine = new SvelteMap<number, Report>();
	/** Room → number of waiting reports. */
	readonly waiting = new SvelteMap<number, number>();
	/** Closed reports whose outcome the person has not read. Oldest first. */
	readonly unseen = $derived(
		[...this.mine.values()]
			.filter((report) => report.closed_at !== null && report.seen_at === null)
			.sort((a, b) => a.id - b.id),
	);
	private readonly seenHere = new Set<number>();
	private timer: ReturnType<typeof setInterval> | undefined;

	constructor(
		private readonly rest: ModerationRest,
		/** Whether the person moderates any room. */
		private readonly moderates: () => boolean,
	) {}

	/** Asks now, and again from time to time. Failures are ignored: the next attempt will do. */
	start(): void {
		if (this.timer !== undefined) return;
		void this.refresh();
		this.timer = setInterval(
			() => void (document.visibilityState === "visible" && this.refresh()),
			ASK_EVERY_MS,
		);
		addEventListener("focus", () => void this.refresh());
	}

	async refresh(): Promise<void> {
		await Promise.allSettled([this.refreshMine(), this.refreshWaiting()]);
	}

	async refreshMine(): Promise<void> {
		const { items } = await this.rest.myReports(null);
		for (const report of items) this.learn(report);
	}

	async refreshWaiting(): Promise<void> {
		const found = this.moderates() ? await this.rest.waiting() : {};
		for (const room of this.waiting.keys()) if (!(room in found)) this.waiting.delete(room);
		for (const [room, number] of Object.entries(found)) this.waiting.set(Number(room), number);
	}

	/** The person's own waiting report of a message, if there is one. */
	of(room: number, seq: number): Report | undefined {
		for (const report of this.mine.values())
			if (report.room === room && report.seq === seq && report.closed_at === null) return report;
		return undefined;
	}

	/** Rejects with RestError. */
	async make(room: number, seq: number, category: string, note: string): Promise<void> {
		this.learn(await this.rest.report(room, seq, category, note));
	}

	/** The person has read these outcomes; the server is told, so that no other device shows them again. */
	async see(reports: Report[]): Promise<void> {
		const ids = reports.map((report) => report.id);
		if (ids.length === 0) return;
		for (const report of reports) {
			this.seenHere.add(report.id);
			this.learn(report);
		}
		await this.rest.seen(ids).catch(() => {
			// The next visit shows it again.
		});
	}

	private learn(report: Report): void {
		const seen = this.seenHere.has(report.id) ? (report.seen_at ?? report.closed_at) : report.seen_at;
		this.mine.set(report.id, { ...report, seen_at: seen });
	}
}
