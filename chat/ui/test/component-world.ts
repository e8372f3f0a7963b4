/** The surroundings that components need: a chat without a server. */

import { type Component, flushSync, mount, tick, unmount } from "svelte";
import { afterEach } from "vitest";
import type { RoomInfo } from "../src/lib/client/frames";
import type { MessageItem } from "../src/lib/client/history";
import { fromInfo, type RoomState } from "../src/lib/client/room-state";
import { CHAT, Chat } from "../src/lib/state/chat.svelte";
import { ME, person, roomInfo } from "./examples";

export function room(changes: Partial<RoomInfo> = {}): RoomState {
	return fromInfo(
		roomInfo({ slug: "lunch", name: "Lunch", head: 0, n: 0, stored: 0, read: 0, read_n: 0, ...changes }),
	);
}

/** A room all of whose messages are loaded. */
export function withMessages(items: MessageItem[], changes: Partial<RoomInfo> = {}): RoomState {
	const last = items.at(-1)?.seq ?? 0;
	const state = room({ head: last, n: last, stored: last, read: last, read_n: last, ...changes });
	return { ...state, tail: { items, from: 1, to: last, complete: true } };
}

export function makeChat(): Chat {
	const urls = {} as ConstructorParameters<typeof Chat>[0]["urls"];
	const chat = new Chat({ user: person(ME, "Anna"), seesAnalytics: false, csrfToken: "", urls });
	chat.people.learn(person(2, "Boris"), person(3, "Carla"));
	chat.ready = true;
	return chat;
}

let mounted: ReturnType<typeof mount>[] = [];
afterEach(async () => {
	for (const one of mounted) await unmount(one);
	mounted = [];
	document.body.replaceChildren();
	localStorage.clear();
});

/** The component in the document, with `props` that may be changed. */
export function show<P extends Record<string, unknown>>(
	component: Component<P>,
	chat: Chat,
	props: P,
): HTMLElement {
	const target = document.body.appendChild(document.createElement("div"));
	mounted.push(mount(component, { target, props, context: new Map([[CHAT, chat]]) }) as never);
	flushSync();
	return target;
}

/** Runs promises and effects until nothing is left to do. */
export async function settled(): Promise<void> {
	for (let turn = 0; turn < 5; turn++) {
		await tick();
		await new Promise((resolve) => setTimeout(resolve));
	}
	flushSync();
}

export function byTestId(root: ParentNode, id: string): HTMLElement {
	const found = root.querySelector<HTMLElement>(`[data-testid="${id}"]`);
	if (!found) throw new Error(`Nothing is called ${id}.`);
	return found;
}

export function press(target: EventTarget, key: string, init: KeyboardEventInit = {}): void {
	target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init }));
	flushSync();
}
