import type { MessageItem } from "../client/history";
import { type Drafts, type Place, placeOf } from "./drafts";

/** The text being written in one room, or in one thread. It is kept while other rooms are open. */
export class Composing {
	/** The content of the box: the message being written, or the new text of the one being edited. */
	text = $state("");
	editing = $state.raw<MessageItem | null>(null);
	replying = $state.raw<MessageItem | null>(null);
	/** Of a reply in a thread: the room shows it too. */
	toRoom = $state(false);

	constructor(
		private readonly place: Place,
		private readonly drafts: Drafts,
	) {
		this.text = drafts.get(place);
	}

	reply(message: MessageItem): void {
		this.endEdit();
		this.replying = message;
	}

	edit(message: MessageItem): void {
		this.replying = null;
		// An edit of the same message continues.
		if (this.editing?.seq !== message.seq) this.text = message.body;
		this.editing = message;
	}

	/** Ends an edit or a reply; a draft from before the edit comes back. */
	cancel(): void {
		this.endEdit();
		this.replying = null;
	}

	/** Adds a text below the message being written; an edit or a reply ends. */
	append(text: string): void {
		this.cancel();
		this.draft = [this.text, text].filter(Boolean).join("\n");
	}

	/** The person changed the text. An edit is no draft: the page forgets it. */
	typed(): void {
		if (!this.editing) this.drafts.set(this.place, this.text);
	}

	/** The outbox has taken the edit of `message` to `written`. Text typed meanwhile stays, to be saved or cancelled. */
	saved(message: MessageItem, written: string): void {
		if (this.editing === message && this.text === written) this.endEdit();
	}

	/** The outbox has taken the message `written`, in reply to `reply`. Text typed meanwhile stays. */
	sent(written: string, reply: MessageItem | null): void {
		if (reply && this.replying === reply) this.replying = null;
		this.toRoom = false;
		this.draft = afterSent(this.draft, written);
	}

	/** The outbox did not take `written`: it is put back, even if something else has replaced it. */
	refused(written: string): void {
		if (!this.draft.startsWith(written)) this.draft = [written, this.draft].filter(Boolean).join("\n");
	}

	/** The message being written, even while the box holds an edit. */
	private get draft(): string {
		return this.editing ? this.drafts.get(this.place) : this.text;
	}

	private set draft(text: string) {
		this.drafts.set(this.place, text);
		if (!this.editing) this.text = text;
	}

	private endEdit(): void {
		if (!this.editing) return;
		this.editing = null;
		this.text = this.drafts.get(this.place);
	}
}

/** The rest of the text in the box once `written`, with which it may begin, has been sent. */
export function afterSent(text: string, written: string): string {
	return text.startsWith(written) ? text.slice(written.length) : text;
}

/** The texts being written, by room and thread. */
export class Composings {
	private readonly places = new Map<Place, Composing>();

	constructor(private readonly drafts: Drafts) {}

	in(room: number, thread: number | null = null): Composing {
		const place = placeOf(room, thread);
		let composing = this.places.get(place);
		if (!composing) {
			composing = new Composing(place, this.drafts);
			this.places.set(place, composing);
		}
		return composing;
	}

	/** The person is no longer in the room. */
	forget(room: number): void {
		for (const place of this.places.keys())
			if (place === room || String(place).startsWith(`${room}-`)) this.places.delete(place);
	}
}
