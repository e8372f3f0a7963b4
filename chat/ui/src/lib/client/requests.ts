import type { Batch, ErrorCode, ErrorFrame, Ok, Page, Request } from "./frames";

export type Answer = Ok | Page | Batch;

/** The server's refusal, or `unavailable` when no answer came: the same request may be made again. */
export class RequestError extends Error {
	constructor(
		readonly code: ErrorCode,
		message: string,
		readonly retryAfterSeconds?: number,
	) {
		super(message);
	}
}

const ANSWER_WITHIN_MS = 10_000;

interface Waiting {
	resolve: (answer: Answer) => void;
	reject: (error: RequestError) => void;
	timer: ReturnType<typeof setTimeout>;
}

/** Pairs answers with requests by `id`; each request ends: answered, refused, timed out or cut off. */
export class Requests {
	private next = 1;
	private waiting = new Map<string, Waiting>();

	constructor(private readonly send: (frame: Request & { id: string }) => boolean) {}

	/** Rejects with RequestError; `unavailable` leaves open whether the server acted. */
	ask<T extends Answer>(request: Request, withinMs = ANSWER_WITHIN_MS): Promise<T> {
		const id = `c${this.next++}`;
		return new Promise<T>((resolve, reject) => {
			const timer = setTimeout(() => {
				this.waiting.delete(id);
				reject(new RequestError("unavailable", "No answer in time.", 1));
			}, withinMs);
			this.waiting.set(id, { resolve: resolve as (answer: Answer) => void, reject, timer });
			if (!this.send({ ...request, id })) this.cutOff();
		});
	}

	answered(answer: Answer): void {
		this.take(answer.id)?.resolve(answer);
	}

	refused(error: ErrorFrame): void {
		if (error.id !== null)
			this.take(error.id)?.reject(new RequestError(error.code, error.message, error.retry_after));
	}

	/** The connection is gone: nothing under way will be answered. */
	cutOff(): void {
		for (const id of [...this.waiting.keys()])
			this.take(id)?.reject(new RequestError("unavailable", "Not connected."));
	}

	private take(id: string): Waiting | undefined {
		const entry = this.waiting.get(id);
		this.waiting.delete(id);
		clearTimeout(entry?.timer);
		return entry;
	}
}
