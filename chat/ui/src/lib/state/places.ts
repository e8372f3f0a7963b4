/** A landmark of the list of messages: a row, and its distance from the list's upper edge, in pixels. */
export interface Anchor {
	/** `m120` for the message at 120, `s121` for another event. */
	id: string;
	offset: number;
}

/** Where the reader was in each room that they left before its end. */
export type Places = Map<number, Anchor>;
