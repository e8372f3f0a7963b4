// @ts-check
/** Asking the server: with a limit of time, and with failures that say what to do next. */

import { fallBackToUtc, served, zone } from "analytics/page";

const TIMEOUT_MS = 20_000;

/** A request that was not answered as hoped. `code` as in the API's problem documents, or "network". */
export class Failure extends Error {
	/** @param {string} code @param {number} retryAfterMs */
	constructor(code, retryAfterMs = 0) {
		super(code);
		this.code = code;
		this.retryAfterMs = retryAfterMs;
	}
}

/** @param {string} operation @param {URLSearchParams} query */
export function address(operation, query) {
	const whole = new URLSearchParams(query);
	whole.set("tz", zone);
	return `${served.api}${operation}?${whole}`;
}

/**
 * The answer to a GET, or null when it is still the one of `tag`.
 * @param {string} operation @param {URLSearchParams} query
 * @param {{signal?: AbortSignal | undefined, tag?: string}} options
 * @returns {Promise<{body: any, tag: string} | null>}
 */
export async function ask(operation, query, { signal, tag } = {}) {
	const limit = AbortSignal.timeout(TIMEOUT_MS);
	const askedIn = zone;
	/** @type {Response} */
	let response;
	try {
		response = await fetch(address(operation, query), {
			headers: { Accept: "application/json", ...(tag ? { "If-None-Match": tag } : {}) },
			cache: "no-store",
			signal: signal ? AbortSignal.any([signal, limit]) : limit,
		});
		if (response.status === 304) return null;
		const body = await response.json();
		if (response.ok) return { body, tag: response.headers.get("ETag") ?? "" };
		if (response.status === 400 && String(body.detail).startsWith("tz:") && askedIn !== "UTC") {
			fallBackToUtc();
			return await ask(operation, query, { signal });
		}
		throw new Failure(body.code ?? "unknown", 1000 * (body.retry_after ?? 0));
	} catch (error) {
		if (error instanceof Failure || signal?.aborted) throw error;
		throw new Failure("network");
	}
}
