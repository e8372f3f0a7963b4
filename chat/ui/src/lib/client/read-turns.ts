/** How many reads of one person the server works on at a time; more would only wait there. */
const READS_AT_ONCE = 2;

interface Read {
	/** Makes the request; call `release` when it is over. */
	begin: () => void;
	/** The read will no longer be started. */
	stop: () => void;
}

/** Starts reads of the past in order, a few at a time, and none while the server asks to wait. */
export class ReadTurns {
	private queue: Read[] = [];
	private underWay = 0;
	private paused: ReturnType<typeof setTimeout> | undefined;

	add(read: Read): void {
		this.queue.push(read);
		this.next();
	}

	release(): void {
		this.underWay--;
		this.next();
	}

	/** Puts a refused read in front of the others, and starts none for `seconds`. */
	again(read: Read, seconds: number): void {
		this.underWay--;
		this.queue.unshift(read);
		clearTimeout(this.paused);
		this.paused = setTimeout(() => {
			this.paused = undefined;
			this.next();
		}, seconds * 1000);
	}

	/** Cancels all that have not started. */
	clear(): void {
		clearTimeout(this.paused);
		this.paused = undefined;
		for (const read of this.queue.splice(0)) read.stop();
	}

	private next(): void {
		while (this.paused === undefined && this.underWay < READS_AT_ONCE) {
			const read = this.queue.shift();
			if (!read) return;
			this.underWay++;
			read.begin();
		}
	}
}
