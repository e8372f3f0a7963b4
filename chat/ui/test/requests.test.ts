import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Page } from "../src/lib/client/frames";
import { type Request, RequestError, Requests } from "../src/lib/client/requests";
import { Rest, RestError } from "../src/lib/rest";

type Sent = Request & { id: string };

let sent: Sent[];
let online: boolean;
let requests: Requests;

function history(before: number): Promise<Page> {
	return requests.ask<Page>({ t: "history", room: 5, before, limit: 50 });
}

function answer(request: Sent | undefined): void {
	if (request) requests.answered({ t: "page", id: request.id, room: 5, messages: [], more: false, upto: 1 });
}

function refuse(request: Sent | undefined, code: "rate_limited" | "forbidden" = "rate_limited"): void {
	if (request) requests.refused({ t: "error", id: request.id, code, message: "No.", retry_after: 2 });
}

function asked(): number[] {
	return sent.map((request) => ("before" in request ? request.before : 0));
}

beforeEach(() => {
	vi.useFakeTimers();
	sent = [];
	online = true;
	requests = new Requests((frame) => {
		if (online) sent.push(frame);
		return online;
	});
});
afterEach(() => vi.useRealTimers());

describe("Reads of the past", () => {
	it("are made two at a time, in order, and other requests do not wait for them", async () => {
		const pages = [1, 2, 3, 4].map(history);
		void requests.ask({ t: "send", room: 5, key: "k", body: "hi", reply_to: null });
		expect(asked()).toEqual([1, 2, 0]);

		answer(sent[0]);
		await pages[0];
		expect(asked()).toEqual([1, 2, 0, 3]);
	});

	it("that are too much for now are made again after the time that the server names, and none before", async () => {
		const pages = [1, 2, 3].map(history);

		refuse(sent[0]);
		answer(sent[1]);
		await pages[1];
		await vi.advanceTimersByTimeAsync(1_900);
		expect(asked()).toEqual([1, 2]);

		await vi.advanceTimersByTimeAsync(200);
		expect(asked()).toEqual([1, 2, 1, 3]);
		answer(sent[2]);
		answer(sent[3]);
		await Promise.all(pages);
	});

	it("end with the refusal when it goes on for a minute", async () => {
		const refused = history(1).catch((error: unknown) => error);

		for (let second = 0; second < 64; second += 2) {
			refuse(sent.at(-1));
			await vi.advanceTimersByTimeAsync(2_000);
		}

		expect(await refused).toMatchObject({ code: "rate_limited" });
		expect(sent).toHaveLength(31);
	});

	it("that are refused for another reason are not made again", async () => {
		const refused = history(1).catch((error: unknown) => error);

		refuse(sent[0], "forbidden");

		expect(await refused).toBeInstanceOf(RequestError);
		await vi.advanceTimersByTimeAsync(10_000);
		expect(sent).toHaveLength(1);
	});

	it("end with the connection, whether they were made or wait, and work on the next one", async () => {
		const ends = [1, 2, 3].map((before) => history(before).catch((error: unknown) => error));
		refuse(sent[0]);
		await vi.advanceTimersByTimeAsync(0);

		requests.cutOff();

		for (const error of await Promise.all(ends)) expect(error).toMatchObject({ code: "unavailable" });
		const [four, five] = [history(4), history(5)];
		expect(asked().slice(-2)).toEqual([4, 5]);
		answer(sent.at(-2));
		answer(sent.at(-1));
		await Promise.all([four, five]);
	});
});

describe("The HTTP API", () => {
	const fetched = vi.fn<typeof fetch>();
	const tooMany = () => new Response("{}", { status: 429, headers: { "Retry-After": "2" } });

	beforeEach(() => vi.stubGlobal("fetch", fetched.mockReset()));
	afterEach(() => vi.unstubAllGlobals());

	it("is asked again after the time that it names when it only reads", async () => {
		fetched.mockResolvedValueOnce(tooMany()).mockResolvedValueOnce(new Response("[]"));
		const members = new Rest("").members(5);

		await vi.advanceTimersByTimeAsync(1_900);
		expect(fetched).toHaveBeenCalledTimes(1);
		await vi.advanceTimersByTimeAsync(200);

		expect(await members).toEqual([]);
	});

	it("is not asked again for what changes something, nor without end", async () => {
		fetched.mockImplementation(async () => tooMany());

		await expect(new Rest("").join(5)).rejects.toBeInstanceOf(RestError);
		expect(fetched).toHaveBeenCalledTimes(1);

		const refused = new Rest("").members(5).catch((error: unknown) => error);
		await vi.advanceTimersByTimeAsync(60_000);
		expect(await refused).toMatchObject({ status: 429 });
		expect(fetched).toHaveBeenCalledTimes(7);
	});
});
