// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { makeChat, room as roomOf } from "./component-world";
import { person, ROOM } from "./examples";

describe("what the page knows of a person", () => {
	it("stays as it was last told, whatever happens in their room afterwards", () => {
		const chat = makeChat();
		const direct = roomOf({ kind: "direct", peer: person(2, "Boris") });
		chat.room(ROOM, direct);

		chat.personChanged({ ...person(2, "Boris"), deactivated: true });
		chat.room(ROOM, { ...direct, stored: direct.stored + 1 });

		expect(chat.peerOf(direct)?.deactivated).toBe(true);
	});

	it("is what a room is described with anew, as after a time without connection", () => {
		const chat = makeChat();
		const direct = roomOf({ kind: "direct", peer: person(2, "Boris") });
		chat.room(ROOM, direct);

		chat.room(ROOM, { ...direct, peer: person(2, "Boris the Great") });

		expect(chat.peerOf(direct)?.name).toBe("Boris the Great");
	});
});
