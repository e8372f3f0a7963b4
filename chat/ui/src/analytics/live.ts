/** Asks once a second, while somebody looks, whether anything was counted. */

import type { Answers, Freshness } from "./answers";
import { ask, Failure } from "./api";
import { find } from "./dom";
import { ago } from "./format";
import { type Choice, queryOf } from "./page";
import { words } from "./words";

const EVERY_MS = 1000;
const LONGEST_MS = 15_000;
/** An event that has not been counted after this long is worth a word. */
const BEHIND_MS = 10_000;

export class Live {
	private readonly line = find("[data-fresh]");
	private choice: Choice | null = null;
	private tag = "";
	private failures = 0;
	private timer: ReturnType<typeof setTimeout> | undefined;
	private running: AbortController | null = null;
	private freshness: Freshness | null = null;
	/** The server's clock less ours. */
	private skewMs = 0;

	/**
	 * `moved` is called with everything that is new, `refused` when asking again is of no use.
	 */
	constructor(
		private readonly moved: (body: Answers["live"]) => void,
		private readonly refused: (failure: Failure) => void,
	) {
		document.addEventListener("visibilitychange", () => {
			if (document.visibilityState === "visible") this.soon(0);
			else clearTimeout(this.timer);
		});
	}

	watch(choice: Choice): void {
		this.choice = choice;
		this.tag = "";
		this.running?.abort();
		this.running = null;
		this.soon(0);
	}

	private soon(milliseconds: number): void {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => void this.look(), milliseconds);
	}

	private async look(): Promise<void> {
		if (this.choice === null || this.running !== null || document.visibilityState === "hidden") return;
		const running = new AbortController();
		this.running = running;
		let wait = EVERY_MS;
		try {
			const answer = await ask("live", queryOf(this.choice), { signal: running.signal, tag: this.tag });
			if (running.signal.aborted) return;
			this.failures = 0;
			if (answer !== null) {
				this.tag = answer.tag;
				this.freshness = answer.body.freshness;
				this.skewMs = Date.parse(answer.body.freshness.now) - Date.now();
				this.moved(answer.body);
			}
		} catch (error) {
			if (running.signal.aborted) return;
			const failure = error instanceof Failure ? error : new Failure("unknown");
			if (["not_signed_in", "not_found", "forbidden", "bad_request"].includes(failure.code)) {
				this.choice = null;
				this.refused(failure);
				return;
			}
			this.failures += 1;
			wait = Math.min(LONGEST_MS, Math.max(failure.retryAfterMs, EVERY_MS * 2 ** this.failures));
		} finally {
			if (this.running === running) this.running = null;
		}
		this.tell();
		this.soon(wait);
	}

	/** How fresh the numbers are, in words. */
	tell(): void {
		const [phase, text] = freshnessInWords(this.freshness, this.failures, Date.now() + this.skewMs);
		if (this.line.dataset.phase !== phase) this.line.dataset.phase = phase;
		if (this.line.textContent !== text) this.line.textContent = text;
	}
}

/** The phase (lost, behind, live, or "" before the first answer) and what to say, at `now` of the server's clock. */
export function freshnessInWords(
	freshness: Freshness | null,
	failures: number,
	now: number,
): [phase: string, text: string] {
	if (failures > 1) return ["lost", words.lostTouch];
	if (freshness === null) return ["", ""];
	const { last_event_at: last, stored_at: stored, waiting, stopped } = freshness;
	if (stopped) return ["lost", words.stopped];
	if (last === null) return ["behind", stored === null ? words.noEvents : words.noneCounted];
	const event = ago(now - Date.parse(last));
	const missing = stored === null ? 0 : Date.parse(stored) - Date.parse(last);
	if (missing > 0 && now - Date.parse(stored ?? last) > BEHIND_MS) {
		const more = waiting ? ` · ${words.behind(waiting)}` : "";
		return ["behind", `${words.countedUpTo(event)}${more}`];
	}
	return ["live", `${words.live} · ${words.lastEvent(event)}`];
}
