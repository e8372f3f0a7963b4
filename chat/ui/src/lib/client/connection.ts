import { backoffMs } from "./backoff";
import {
	CLOSE,
	type ClientFrame,
	type Position,
	type ServerFrame,
	SUBPROTOCOL,
	type Welcome,
} from "./frames";
import { parseFrame } from "./parse-frame";

/** The state of the connection, as the status bar shows it. */
export type Link =
	| { phase: "connecting"; attempt: number }
	| { phase: "online" }
	/** Open, but silent for longer than a live server would be. */
	| { phase: "stale" }
	/** Lost; the next attempt is at `retryAt` (milliseconds since 1970, this machine's clock). */
	| { phase: "offline"; retryAt: number }
	/** Given up: the page must sign in again or be reloaded. */
	| { phase: "stopped"; reason: "signed_out" | "revoked" | "protocol" };

export interface ConnectionHooks {
	/** Positions to resume from, asked for at each connection. */
	positions: () => Record<string, Position>;
	welcomed: (welcome: Welcome) => void;
	/** Every other frame, with the length of its text. */
	frame: (frame: ServerFrame, characters: number) => void;
	/** The connection ended; requests in flight will not be answered. */
	lost: () => void;
	link: (link: Link) => void;
	/** False if the server says that the session is gone. Called after a failed handshake. */
	signedIn: () => Promise<boolean>;
}

const WELCOME_WITHIN_MS = 15_000;
const PROBE_WITHIN_MS = 4_000;
const FIRST_HEARTBEAT_SECONDS = 20;
/** A connection that lived this long counts as good again: the next failure starts with a short wait. */
const STEADY_AFTER_MS = 10_000;
const TOO_MANY_WAIT_MS = 15_000;

type Timer = ReturnType<typeof setTimeout>;

/**
 * One WebSocket that reconnects by itself.
 *
 * Says hello with the positions, pings in the heartbeat, notices a dead peer, waits with jittered back-off,
 * honours `bye` and the close codes. Knows nothing of rooms.
 */
export class Connection {
	link: Link = { phase: "connecting", attempt: 0 };

	private socket: WebSocket | null = null;
	private attempt = 0;
	private heartbeatMs = FIRST_HEARTBEAT_SECONDS * 1000;
	private welcomedAt = 0;
	private lastFrameAt = 0;
	private byeDelayMs: number | null = null;
	private retryTimer: Timer | undefined;
	private pulseTimer: Timer | undefined;
	private deadline: Timer | undefined;
	private closed = false;

	constructor(
		private readonly url: string,
		private readonly hooks: ConnectionHooks,
		private readonly makeSocket = (url: string) => new WebSocket(url, [SUBPROTOCOL]),
	) {}

	start(): void {
		addEventListener("online", this.comeBack);
		addEventListener("offline", this.probe);
		document.addEventListener("visibilitychange", this.probe);
		this.open();
	}

	stop(): void {
		this.closed = true;
		removeEventListener("online", this.comeBack);
		removeEventListener("offline", this.probe);
		document.removeEventListener("visibilitychange", this.probe);
		this.drop();
	}

	get online(): boolean {
		return this.link.phase === "online" || this.link.phase === "stale";
	}

	/** False if there is no welcomed connection; then the frame is not sent. */
	send(frame: ClientFrame): boolean {
		if (!this.online || this.socket?.readyState !== WebSocket.OPEN) return false;
		this.socket.send(JSON.stringify(frame));
		return true;
	}

	/** Tries at once instead of waiting for the back-off. */
	retryNow(): void {
		if (this.link.phase === "offline") {
			clearTimeout(this.retryTimer);
			this.open();
		}
	}

	private readonly comeBack = (): void => {
		this.attempt = 0;
		if (this.online) this.probe();
		else this.retryNow();
	};

	/** Checks whether a connection that may be dead is alive. */
	private readonly probe = (): void => {
		if (document.visibilityState === "hidden" && navigator.onLine) return;
		if (!this.online) {
			if (navigator.onLine) this.retryNow();
			return;
		}
		const asked = Date.now();
		this.send({ t: "ping" });
		clearTimeout(this.deadline);
		this.deadline = setTimeout(() => {
			if (this.lastFrameAt < asked) this.cut();
		}, PROBE_WITHIN_MS);
	};

	private open(): void {
		if (this.closed) return;
		this.drop();
		this.setLink({ phase: "connecting", attempt: this.attempt });
		const socket = this.makeSocket(this.url);
		let opened = false;
		this.socket = socket;
		this.deadline = setTimeout(() => this.cut(), WELCOME_WITHIN_MS);
		socket.onopen = () => {
			opened = true;
			socket.send(JSON.stringify({ t: "hello", rooms: this.hooks.positions() } satisfies ClientFrame));
		};
		socket.onmessage = (message: MessageEvent<string>) => this.received(message.data);
		socket.onclose = (event) => {
			if (this.socket === socket) void this.ended(event.code, opened);
		};
	}

	private received(text: string): void {
		this.lastFrameAt = Date.now();
		if (this.link.phase === "stale") this.setLink({ phase: "online" });
		const frame = parseFrame(text);
		if (frame === null) return;
		if (frame.t === "bye") this.byeDelayMs = frame.reconnect_after_ms;
		else if (frame.t === "welcome") {
			clearTimeout(this.deadline);
			this.heartbeatMs = frame.heartbeat * 1000;
			this.welcomedAt = this.lastFrameAt;
			this.setLink({ phase: "online" });
			this.pulse();
			this.hooks.welcomed(frame);
		} else this.hooks.frame(frame, text.length);
	}

	/** Pings a silent server, reports it if it is silent for too long, and finally gives it up. */
	private pulse(): void {
		clearTimeout(this.pulseTimer);
		const silentMs = Date.now() - this.lastFrameAt;
		if (silentMs >= this.heartbeatMs * 2) {
			this.cut();
			return;
		}
		if (silentMs >= this.heartbeatMs * 1.5 && this.link.phase === "online") this.setLink({ phase: "stale" });
		if (silentMs >= this.heartbeatMs * 0.75) this.send({ t: "ping" });
		this.pulseTimer = setTimeout(() => this.pulse(), this.heartbeatMs / 4);
	}

	/** Ends a connection that does not answer, without waiting for its closing handshake. */
	private cut(): void {
		const socket = this.socket;
		this.drop();
		if (socket) void this.ended(1006, true);
	}

	private async ended(code: number, opened: boolean): Promise<void> {
		const steady = this.welcomedAt > 0 && Date.now() - this.welcomedAt > STEADY_AFTER_MS;
		this.drop();
		this.hooks.lost();
		if (code === CLOSE.not_signed_in) return this.setLink({ phase: "stopped", reason: "signed_out" });
		if (code === CLOSE.revoked) return this.setLink({ phase: "stopped", reason: "revoked" });
		if (code === CLOSE.protocol_violation) return this.setLink({ phase: "stopped", reason: "protocol" });

		if (steady) this.attempt = 0;
		let waitMs = backoffMs(this.attempt++);
		if (code === CLOSE.too_many) waitMs += TOO_MANY_WAIT_MS;
		if (this.byeDelayMs !== null) waitMs = this.byeDelayMs;
		this.byeDelayMs = null;
		this.welcomedAt = 0;
		this.setLink({ phase: "offline", retryAt: Date.now() + waitMs });
		this.retryTimer = setTimeout(() => this.open(), waitMs);

		// A server that refuses the handshake gives no close code; only HTTP tells that the session is gone.
		if (!opened && !(await this.hooks.signedIn()) && !this.online) {
			this.drop();
			this.setLink({ phase: "stopped", reason: "signed_out" });
		}
	}

	private drop(): void {
		clearTimeout(this.retryTimer);
		clearTimeout(this.pulseTimer);
		clearTimeout(this.deadline);
		const socket = this.socket;
		this.socket = null;
		if (socket) {
			socket.onopen = socket.onmessage = socket.onclose = null;
			socket.close();
		}
	}

	private setLink(link: Link): void {
		this.link = link;
		this.hooks.link(link);
	}
}
