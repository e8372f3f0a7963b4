import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, type ConnectionHooks } from "../src/lib/client/connection";
import { ScriptedSocket } from "./scripted-socket";

function connect(changes: Partial<ConnectionHooks> = {}): { connection: Connection; phases: string[] } {
	const phases: string[] = [];
	const connection = new Connection(
		"ws://veche.test/ws/chat/",
		{
			positions: () => ({ "5": { epoch: 1, seq: 120 } }),
			welcomed: () => {},
			frame: () => {},
			lost: () => {},
			link: (link) => phases.push(link.phase),
			signedIn: async () => true,
			...changes,
		},
		ScriptedSocket.make,
	);
	connection.start();
	return { connection, phases };
}

let running: Connection | undefined;

describe("Connection", () => {
	beforeEach(() => {
		vi.useFakeTimers();
		ScriptedSocket.opened = [];
	});
	afterEach(() => {
		running?.stop();
		vi.useRealTimers();
	});

	it("says hello with the positions and is online once welcomed", () => {
		const { connection, phases } = connect();
		running = connection;

		ScriptedSocket.latest.welcomes();

		expect(ScriptedSocket.latest.sent[0]).toEqual({ t: "hello", rooms: { "5": { epoch: 1, seq: 120 } } });
		expect(phases).toEqual(["connecting", "online"]);
	});

	it("comes back after a cut, later each time", async () => {
		const { connection } = connect();
		running = connection;

		const waits: number[] = [];
		for (let i = 0; i < 9; i++) {
			ScriptedSocket.latest.open();
			ScriptedSocket.latest.breaks();
			const waitMs = connection.link.phase === "offline" ? connection.link.retryAt - Date.now() : 0;
			waits.push(waitMs);
			await vi.advanceTimersByTimeAsync(waitMs);
		}

		expect(ScriptedSocket.opened.length).toBe(10);
		expect(waits[0]).toBeLessThanOrEqual(500);
		expect(waits[4]).toBeGreaterThanOrEqual(4_000);
		expect(waits[8]).toBeGreaterThanOrEqual(15_000);
		expect(waits[8]).toBeLessThanOrEqual(30_000);
	});

	it.each([
		[4400, "protocol"],
		[4401, "signed_out"],
		[4403, "revoked"],
	])("stays away after close code %i", async (code, reason) => {
		const { connection } = connect();
		running = connection;
		ScriptedSocket.latest.welcomes();

		ScriptedSocket.latest.breaks(code);
		await vi.advanceTimersByTimeAsync(120_000);

		expect(connection.link).toEqual({ phase: "stopped", reason });
		expect(ScriptedSocket.opened.length).toBe(1);
	});

	it("comes back after 4408 and waits longer after 4429", async () => {
		const { connection } = connect();
		running = connection;

		ScriptedSocket.latest.welcomes();
		ScriptedSocket.latest.breaks(4408);
		await vi.advanceTimersByTimeAsync(1_000);
		const afterSlow = ScriptedSocket.opened.length;
		ScriptedSocket.latest.breaks(4429);
		await vi.advanceTimersByTimeAsync(14_000);
		const afterTooMany = ScriptedSocket.opened.length;
		await vi.advanceTimersByTimeAsync(5_000);

		expect([afterSlow, afterTooMany, ScriptedSocket.opened.length]).toEqual([2, 2, 3]);
	});

	it("waits as long as bye says", async () => {
		const { connection } = connect();
		running = connection;
		ScriptedSocket.latest.welcomes();

		ScriptedSocket.latest.says({ t: "bye", reconnect_after_ms: 7_000 });
		ScriptedSocket.latest.breaks(1012);
		await vi.advanceTimersByTimeAsync(6_900);
		const early = ScriptedSocket.opened.length;
		await vi.advanceTimersByTimeAsync(200);

		expect([early, ScriptedSocket.opened.length]).toEqual([1, 2]);
	});

	it("pings a silent server, says that data may be stale, then gives the connection up", async () => {
		const { connection, phases } = connect();
		running = connection;
		ScriptedSocket.latest.welcomes();
		const socket = ScriptedSocket.latest;

		await vi.advanceTimersByTimeAsync(16_000);
		const pinged = socket.of("ping").length;
		await vi.advanceTimersByTimeAsync(15_000);
		const phase = connection.link.phase;
		await vi.advanceTimersByTimeAsync(10_000);

		expect(pinged).toBe(1);
		expect(phase).toBe("stale");
		expect(phases).toContain("offline");
	});

	it("is not stale any more when a frame comes", async () => {
		const { connection } = connect();
		running = connection;
		ScriptedSocket.latest.welcomes();

		await vi.advanceTimersByTimeAsync(31_000);
		ScriptedSocket.latest.says({ t: "pong", time: new Date().toISOString() });

		expect(connection.link.phase).toBe("online");
	});

	it("tries at once when the browser is online again", async () => {
		const { connection } = connect();
		running = connection;
		ScriptedSocket.latest.welcomes();
		ScriptedSocket.latest.breaks();

		dispatchEvent(new Event("online"));

		expect(ScriptedSocket.opened.length).toBe(2);
	});

	it("stops when the handshake fails because the session is gone", async () => {
		const { connection } = connect({ signedIn: async () => false });
		running = connection;

		ScriptedSocket.latest.breaks();
		await vi.advanceTimersByTimeAsync(60_000);

		expect(connection.link).toEqual({ phase: "stopped", reason: "signed_out" });
		expect(ScriptedSocket.opened.length).toBe(1);
	});
});
