export const KINDS = ["keyword", "string", "number", "name", "type", "comment", "deletion"] as const;
export type Kind = (typeof KINDS)[number];
/** A part of a text, from and to which character it goes. */
export type Token = readonly [from: number, to: number, kind: Kind];

export interface Asked {
	readonly language: string;
	readonly code: string;
}

interface Job extends Asked {
	readonly done: (tokens: readonly Token[]) => void;
}

/** Honest code of 8,000 characters takes a few ms. */
const LATEST_MS = 500;
/** After so many texts that took too long, everything stays plain. */
const MOST_HANGS = 3;
const MOST_CACHED = 200;

/** Finds the tokens of code in a thread of its own, which is ended if it takes too long. */
export class Highlighter {
	private readonly cache = new Map<string, Promise<readonly Token[]>>();
	private readonly jobs: Job[] = [];
	private worker: Worker | null = null;
	private ready = false;
	private timer: ReturnType<typeof setTimeout> | undefined;
	private hangs = 0;

	constructor(private readonly start: () => Worker) {}

	/** None if the language is unknown, or the code took too long. Never rejects. */
	tokens(asked: Asked): Promise<readonly Token[]> {
		const key = `${asked.language}\n${asked.code}`;
		let found = this.cache.get(key);
		if (!found) {
			found = new Promise((done) => {
				this.jobs.push({ ...asked, done });
				if (this.jobs.length === 1) this.next();
			});
			this.cache.set(key, found);
			const [oldest] = this.cache.keys();
			if (this.cache.size > MOST_CACHED && oldest !== undefined) this.cache.delete(oldest);
		}
		return found;
	}

	/** Gives the first job to the worker, once there is one. */
	private next(): void {
		const job = this.jobs[0];
		if (!job) return;
		if (this.hangs >= MOST_HANGS) {
			this.finish([]);
			return;
		}
		if (!this.worker) {
			this.worker = this.start();
			this.worker.onmessage = ({ data }: MessageEvent<"ready" | Token[]>) => {
				if (data !== "ready") {
					this.finish(data);
					return;
				}
				this.ready = true;
				this.next();
			};
			// It could not be loaded, or failed.
			this.worker.onerror = () => this.end();
		}
		if (!this.ready) return;
		this.timer = setTimeout(() => this.end(), LATEST_MS);
		this.worker.postMessage({ language: job.language, code: job.code } satisfies Asked);
	}

	private end(): void {
		this.worker?.terminate();
		this.worker = null;
		this.ready = false;
		this.hangs += 1;
		this.finish([]);
	}

	private finish(tokens: readonly Token[]): void {
		clearTimeout(this.timer);
		this.jobs.shift()?.done(tokens);
		this.next();
	}
}
