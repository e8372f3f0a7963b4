/** What the page knows of one thread: its root and replies, as one range of messages. Pure. */

import type { RoomEvent, ThreadPage } from "./frames";
import { fromMessage, type MessageItem, mutate, mutates, postedBy, type Segment, threadOf } from "./history";

export interface ThreadState {
	/** The root, if it is known, and then the replies; complete once the first reply is there. */
	segment: Segment;
	/** The root's seq. */
	root: number;
}

function itemsOf(page: ThreadPage): MessageItem[] {
	const messages = page.message ? [page.message, ...page.messages] : page.messages;
	return messages.map((message) => fromMessage(message, page.upto));
}

export function rootOf({ segment, root }: ThreadState): MessageItem | null {
	const first = segment.items[0];
	return first?.kind === "message" && first.seq === root ? first : null;
}

export function repliesOf({ segment, root }: ThreadState): MessageItem[] {
	return segment.items.filter((item): item is MessageItem => item.kind === "message" && item.seq !== root);
}

/** The thread after its newest page: what is known of older replies stays if the page reaches it. */
export function withNewest(before: ThreadState | null, page: ThreadPage, since: RoomEvent[]): ThreadState {
	const items = itemsOf(page);
	const first = page.messages[0]?.seq ?? Number.POSITIVE_INFINITY;
	const known = before ? repliesOf(before) : [];
	const meets = page.more && known.some((reply) => reply.seq >= first);
	const older = meets ? known.filter((reply) => reply.seq < first) : [];
	const at = page.message ? 1 : 0;
	const complete = meets ? (before?.segment.complete ?? false) : !page.more;
	const segment = {
		items: [...items.slice(0, at), ...older, ...items.slice(at)],
		from: page.root,
		to: page.upto,
		complete,
	};
	return withEvents({ segment, root: page.root }, since);
}

/** The thread with a page of replies before those that it has. */
export function withOlder(before: ThreadState, page: ThreadPage, since: RoomEvent[]): ThreadState {
	const root = rootOf(before);
	const replies = repliesOf(before);
	const first = replies[0]?.seq ?? Number.POSITIVE_INFINITY;
	const older = page.messages
		.filter((message) => message.seq < first)
		.map((message) => fromMessage(message, page.upto));
	const items = [...(root ? [root] : []), ...older, ...replies];
	return withEvents({ ...before, segment: { ...before.segment, items, complete: !page.more } }, since);
}

/** The thread after events of its room, in seq order; those that it has taken in before change nothing. */
export function withEvents(state: ThreadState, events: RoomEvent[]): ThreadState {
	let { segment } = state;
	for (const event of events) {
		if (mutates(event)) segment = mutate(segment, event);
		const posts = event.type === "reply.posted" || event.type === "message.posted";
		if (posts && event.seq > segment.to && threadOf(event) === state.root)
			segment = { ...segment, items: [...segment.items, postedBy(event)] };
		if (event.seq > segment.to) segment = { ...segment, to: event.seq };
	}
	return segment === state.segment ? state : { ...state, segment };
}
