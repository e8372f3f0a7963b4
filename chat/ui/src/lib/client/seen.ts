const CONFIRM_EVERY_MS = 500;
/** Half of the protocol's 32 KiB, because a character may be more than one byte on the wire. */
const CONFIRM_EVERY_CHARACTERS = 16 * 1024;

/** Confirms `events` frames: the server stops sending to a client that does not. */
export class SeenConfirmer {
	private frame = 0;
	private confirmed = 0;
	private characters = 0;
	private timer: ReturnType<typeof setTimeout> | undefined;

	constructor(private readonly confirm: (frame: number) => void) {}

	/** Call when events frame `f`, of `characters` length, has been processed. */
	received(f: number, characters: number): void {
		this.frame = Math.max(this.frame, f);
		this.characters += characters;
		if (this.characters >= CONFIRM_EVERY_CHARACTERS) this.flush();
		else this.timer ??= setTimeout(() => this.flush(), CONFIRM_EVERY_MS);
	}

	/** Forgets everything: frames are counted from 1 on each connection. */
	reset(): void {
		clearTimeout(this.timer);
		this.timer = undefined;
		this.frame = this.confirmed = this.characters = 0;
	}

	private flush(): void {
		clearTimeout(this.timer);
		this.timer = undefined;
		this.characters = 0;
		if (this.frame > this.confirmed) {
			this.confirmed = this.frame;
			this.confirm(this.frame);
		}
	}
}
