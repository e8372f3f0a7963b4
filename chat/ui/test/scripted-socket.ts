import { vi } from "vitest";
import type { ClientFrame, RoomEvent, RoomInfo, ServerFrame, Welcome } from "../src/lib/client/frames";

/** A WebSocket whose server side is the test itself. */
export class ScriptedSocket {
	static opened: ScriptedSocket[] = [];
	static get latest(): ScriptedSocket {
		return ScriptedSocket.opened.at(-1) as ScriptedSocket;
	}

	readyState: number = WebSocket.CONNECTING;
	onopen: (() => void) | null = null;
	onmessage: ((message: { data: string }) => void) | null = null;
	onclose: ((event: { code: number }) => void) | null = null;
	sent: ClientFrame[] = [];

	constructor() {
		ScriptedSocket.opened.push(this);
	}

	static make = (): WebSocket => new ScriptedSocket() as unknown as WebSocket;

	send(text: string): void {
		this.sent.push(JSON.parse(text));
	}

	close(): void {
		this.readyState = WebSocket.CLOSED;
	}

	open(): void {
		this.readyState = WebSocket.OPEN;
		this.onopen?.();
	}

	says(frame: ServerFrame): void {
		this.onmessage?.({ data: JSON.stringify(frame) });
	}

	breaks(code = 1006): void {
		this.readyState = WebSocket.CLOSED;
		this.onclose?.({ code });
	}

	welcomes(...rooms: RoomInfo[]): void {
		this.open();
		this.says(welcome(...rooms));
	}

	of<T extends ClientFrame["t"]>(type: T): Extract<ClientFrame, { t: T }>[] {
		return this.sent.filter((frame) => frame.t === type) as Extract<ClientFrame, { t: T }>[];
	}
}

export function welcome(...rooms: RoomInfo[]): Welcome {
	return {
		t: "welcome",
		user: { id: 1, username: "ann", name: "Ann" },
		rooms,
		heartbeat: 20,
		time: new Date().toISOString(),
		limits: {
			frame_bytes: 65536,
			body_characters: 8000,
			unseen_bytes: 1e6,
			sends_per_second: 5,
			sends_burst: 20,
		},
	};
}

export function posted(
	seq: number,
	n: number,
	body = `message ${n}`,
	changes: Partial<RoomEvent> = {},
): RoomEvent {
	return {
		seq,
		n,
		type: "message.posted",
		key: null,
		actor: 2,
		at: "2026-11-20T10:00:00Z",
		data: { body },
		...changes,
	};
}

/** Lets promises and what they start run on, without moving the clock. */
export async function settle(): Promise<void> {
	for (let i = 0; i < 20; i++) await vi.advanceTimersByTimeAsync(0);
}
