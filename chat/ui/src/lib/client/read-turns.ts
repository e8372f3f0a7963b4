/** The server works on so many reads of one person at a time; more at once would only wait there. */
const READS_AT_ONCE = 2;

interface Read {
	/** Makes the request; `release` follows when it is over. */
	begin: () => void;
	/** It will not be begun any more. */
	stop: () => void;
}

/** Lets reads of the past begin in order, a few at a time, and none while the server asks to wait. */
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

	/** Puts a read that the server refused in front of the others, and lets none begin for `seconds`. */
	again(read: Read, seconds: number): void {
		this.underWay--;
		this.queue.unshift(read);
		clearTimeout(this.paused);
		this.paused = setTimeout(() => {
			this.paused = undefined;
			this.next();
		}, seconds * 1000);
	}

	/** Stops all that have not begun. */
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
