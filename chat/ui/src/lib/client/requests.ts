import type {
	Batch,
	ClientFrame,
	Delete,
	Edit,
	ErrorCode,
	ErrorFrame,
	Ok,
	Page,
	React,
	Reply,
	Send,
	ThreadPage,
} from "./frames";
import { ReadTurns } from "./read-turns";

type WithoutId<T> = T extends { id: string } ? Required<Omit<T, "id">> : never;

/** A frame that gets an answer, before it has its id. The page leaves nothing to defaults. */
export type Request = WithoutId<ClientFrame>;
export type Appending = WithoutId<Send | Reply | Edit | Delete | React>;
export type Answer = Ok | Page | ThreadPage | Batch;

/** The server's refusal, or `unavailable` if no answer came: the same request may be made again. */
export class RequestError extends Error {
	constructor(
		readonly code: ErrorCode,
		message: string,
		readonly retryAfterSeconds?: number,
		/** Tells refusals of one code apart. */
		readonly reason?: string,
	) {
		super(message);
	}
}

const ANSWER_WITHIN_MS = 10_000;
/** How long a read that the server puts off (`rate_limited`) is repeated. */
const READ_AGAIN_WITHIN_MS = 60_000;
const READ_AGAIN_SECONDS = 1;

interface Waiting {
	resolve: (answer: Answer) => void;
	reject: (error: RequestError) => void;
	timer: ReturnType<typeof setTimeout>;
}

/** Pairs answers with requests by `id`; each request ends: answered, refused, timed out or cut off. */
export class Requests {
	private next = 1;
	private waiting = new Map<string, Waiting>();
	private readonly reads = new ReadTurns();

	constructor(private readonly send: (frame: Request & { id: string }) => boolean) {}

	/**
	 * Rejects with RequestError; `unavailable` leaves open whether the server acted.
	 *
	 * Reads of the past are made a few at a time, and repeated after the time that the server names if the
	 * person reads faster than allowed; `withinMs` is the time for each answer.
	 */
	ask<T extends Answer>(request: Request, withinMs = ANSWER_WITHIN_MS): Promise<T> {
		return request.t === "history" || request.t === "sync" || request.t === "thread"
			? this.read<T>(request, withinMs)
			: this.request<T>(request, withinMs);
	}

	private read<T extends Answer>(request: Request, withinMs: number): Promise<T> {
		return new Promise<T>((resolve, reject) => {
			const until = Date.now() + READ_AGAIN_WITHIN_MS;
			const read = {
				begin: () => {
					this.request<T>(request, withinMs).then(
						(answer) => {
							this.reads.release();
							resolve(answer);
						},
						(error: RequestError) => {
							if (error.code === "rate_limited" && Date.now() < until)
								this.reads.again(read, error.retryAfterSeconds ?? READ_AGAIN_SECONDS);
							else {
								this.reads.release();
								reject(error);
							}
						},
					);
				},
				stop: () => reject(new RequestError("unavailable", "Not connected.")),
			};
			this.reads.add(read);
		});
	}

	private request<T extends Answer>(request: Request, withinMs: number): Promise<T> {
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
			this.take(error.id)?.reject(
				new RequestError(error.code, error.message, error.retry_after, error.reason),
			);
	}

	/** The connection is gone: nothing in flight will be answered. */
	cutOff(): void {
		this.reads.clear();
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
