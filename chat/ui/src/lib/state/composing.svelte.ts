import type { MessageItem } from "../client/history";
import type { Drafts } from "./drafts";

/** What is being written in one room. It outlives the page's look at the room. */
export class Composing {
	/** What the box holds: the message being written, or the new text of the one being edited. */
	text = $state("");
	editing = $state.raw<MessageItem | null>(null);
	replying = $state.raw<MessageItem | null>(null);

	constructor(
		private readonly room: number,
		private readonly drafts: Drafts,
	) {
		this.text = drafts.get(room);
	}

	reply(message: MessageItem): void {
		this.endEdit();
		this.replying = message;
	}

	edit(message: MessageItem): void {
		this.replying = null;
		// An edit of the same message goes on where it is.
		if (this.editing?.seq !== message.seq) this.text = message.body;
		this.editing = message;
	}

	/** Ends an edit or a reply; a draft from before the edit comes back. */
	cancel(): void {
		this.endEdit();
		this.replying = null;
	}

	/** The person changed the text. An edit is no draft: the page forgets it. */
	typed(): void {
		if (!this.editing) this.drafts.set(this.room, this.text);
	}

	/** The outbox has the edit of `message`. */
	saved(message: MessageItem): void {
		if (this.editing === message) this.endEdit();
	}

	/** The outbox has the message `written`, in answer to `reply`. What was typed meanwhile stays. */
	sent(written: string, reply: MessageItem | null): void {
		if (reply && this.replying === reply) this.replying = null;
		const draft = this.editing ? this.drafts.get(this.room) : this.text;
		const rest = draft.startsWith(written) ? draft.slice(written.length) : draft;
		this.drafts.set(this.room, rest);
		if (!this.editing) this.text = rest;
	}

	private endEdit(): void {
		if (!this.editing) return;
		this.editing = null;
		this.text = this.drafts.get(this.room);
	}
}

/** What is being written in each room. */
export class Composings {
	private readonly rooms = new Map<number, Composing>();

	constructor(private readonly drafts: Drafts) {}

	in(room: number): Composing {
		let composing = this.rooms.get(room);
		if (!composing) {
			composing = new Composing(room, this.drafts);
			this.rooms.set(room, composing);
		}
		return composing;
	}

	/** The room is not the person's any more. */
	forget(room: number): void {
		this.rooms.delete(room);
	}
}
