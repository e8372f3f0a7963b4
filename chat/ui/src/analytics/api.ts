/** Asking the server: with a limit of time, and with failures that say what to do next. */

import type { Answers, Operation } from "./answers";
import { fallBackToUtc, served, zone } from "./page";

const TIMEOUT_MS = 20_000;

/** A request that was not answered as hoped. `code` as in the API's problem documents, or "network". */
export class Failure extends Error {
	constructor(
		readonly code: string,
		readonly retryAfterMs = 0,
	) {
		super(code);
	}
}

export function address(operation: Operation, query: URLSearchParams): string {
	const whole = new URLSearchParams(query);
	whole.set("tz", zone);
	return `${served.api}${operation}?${whole}`;
}

/** The answer to a GET, or null when it is still the one of `tag`. */
export async function ask<Of extends Operation>(
	operation: Of,
	query: URLSearchParams,
	{ signal, tag }: { signal?: AbortSignal | undefined; tag?: string } = {},
): Promise<{ body: Answers[Of]; tag: string } | null> {
	const limit = AbortSignal.timeout(TIMEOUT_MS);
	const askedIn = zone;
	try {
		const response = await fetch(address(operation, query), {
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
