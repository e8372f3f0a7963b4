// @ts-check
/** Asks once a second, while somebody looks, whether anything was counted. */

import { ask, Failure } from "analytics/api";
import { find } from "analytics/dom";
import { ago } from "analytics/format";
import { queryOf } from "analytics/page";
import { words } from "analytics/words";

/** @typedef {import("analytics/types").Live} LiveBody */

const EVERY_MS = 1000;
const LONGEST_MS = 15_000;
/** An event that has not been counted after this long is worth a word. */
const BEHIND_MS = 10_000;

export class Live {
	/**
	 * @param {(body: LiveBody) => void} moved Called with everything that is new.
	 * @param {(failure: Failure) => void} refused Called when asking again is of no use.
	 */
	constructor(moved, refused) {
		this.moved = moved;
		this.refused = refused;
		this.line = find("[data-fresh]");
		/** @type {import("analytics/page").Choice | null} */
		this.choice = null;
		this.tag = "";
		this.failures = 0;
		/** @type {ReturnType<typeof setTimeout> | undefined} */
		this.timer = undefined;
		/** @type {AbortController | null} */
		this.running = null;
		/** @type {LiveBody["freshness"] | null} */
		this.freshness = null;
		/** The server's clock less ours. */
		this.skewMs = 0;
		document.addEventListener("visibilitychange", () => {
			if (document.visibilityState === "visible") this.soon(0);
			else clearTimeout(this.timer);
		});
	}

	/** @param {import("analytics/page").Choice} choice */
	watch(choice) {
		this.choice = choice;
		this.tag = "";
		this.running?.abort();
		this.running = null;
		this.soon(0);
	}

	/** @param {number} milliseconds */
	soon(milliseconds) {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => void this.look(), milliseconds);
	}

	async look() {
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
	tell() {
		const [phase, text] = this.state();
		if (this.line.dataset.phase !== phase) this.line.dataset.phase = phase;
		if (this.line.textContent !== text) this.line.textContent = text;
	}

	/** @returns {[string, string]} */
	state() {
		if (this.failures > 1) return ["lost", words.lostTouch];
		if (this.freshness === null) return ["", ""];
		const { last_event_at: last, stored_at: stored, waiting, stopped } = this.freshness;
		if (stopped) return ["lost", words.stopped];
		if (last === null) return ["behind", stored === null ? words.noEvents : words.noneCounted];
		const now = Date.now() + this.skewMs;
		const event = words.lastEvent(ago(now - Date.parse(last)));
		const missing = stored === null ? 0 : Date.parse(stored) - Date.parse(last);
		if (missing > 0 && now - Date.parse(stored ?? last) > BEHIND_MS) {
			const more = waiting ? ` · ${words.behind(waiting)}` : "";
			return ["behind", `${words.countedUpTo(ago(now - Date.parse(last)))}${more}`];
		}
		return ["live", `${words.live} · ${event}`];
	}
}
