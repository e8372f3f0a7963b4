// @ts-check
/** A combobox that finds rooms by name: type, arrow keys, Enter; Escape gives up. */

import { ask } from "analytics/api";
import { element, find } from "analytics/dom";
import { served } from "analytics/page";
import { words } from "analytics/words";

/** @typedef {import("analytics/types").Room} Room */

const PAUSE_MS = 150;

export class RoomPicker {
	/** @param {(room: Room | null) => void} chosen */
	constructor(chosen) {
		this.chosen = chosen;
		/** @type {HTMLInputElement} */
		this.input = find("#room-picker");
		this.list = find("#room-options");
		/** @type {Room | null} */
		this.room = served.room;
		/** @type {(Room | null)[]} */
		this.options = [];
		this.active = -1;
		/** @type {ReturnType<typeof setTimeout> | undefined} */
		this.timer = undefined;
		/** @type {AbortController | null} */
		this.running = null;
		this.input.onfocus = () => this.input.select();
		this.input.onclick = () => this.open("");
		this.input.oninput = () => {
			clearTimeout(this.timer);
			this.timer = setTimeout(() => this.open(this.input.value.replace(/^#\s*/, "").trim()), PAUSE_MS);
		};
		this.input.onkeydown = (event) => this.key(event);
		this.input.onblur = () => this.close();
		// A press on an option must not take the focus first, which would close the list.
		this.list.onmousedown = (event) => event.preventDefault();
		this.show(this.room);
	}

	/** @param {Room | null} room */
	show(room) {
		this.room = room;
		this.input.value = room === null ? words.allRooms : nameOf(room);
	}

	/** @param {string} text */
	async open(text) {
		this.running?.abort();
		const running = new AbortController();
		this.running = running;
		try {
			const answer = await ask("rooms", new URLSearchParams({ q: text, limit: "50" }), {
				signal: running.signal,
			});
			if (running.signal.aborted) return;
			this.fill(text, answer?.body);
		} catch {
			if (!running.signal.aborted) this.close();
		}
	}

	/** @param {string} text @param {import("analytics/types").Rooms} found */
	fill(text, found) {
		this.options = [...(served.allRooms && text === "" ? [null] : []), ...found.rooms];
		const items = this.options.map((room, at) => {
			const note =
				room === null ? "" : room.archived ? words.archived : room.kind === "private" ? words.private : "";
			const item = element(
				"li",
				{
					class: "n-room-option",
					id: `room-option-${at}`,
					role: "option",
					"aria-selected": String((room?.id ?? null) === (this.room?.id ?? null)),
				},
				element("b", {}, room === null ? words.allRooms : nameOf(room)),
				note ? element("span", {}, note) : null,
			);
			item.onclick = () => this.take(at);
			return item;
		});
		const note = this.options.length === 0 ? words.noRooms : found.more ? words.moreRooms : "";
		this.list.replaceChildren(
			...items,
			...(note ? [element("li", { class: "n-room-note", role: "presentation" }, note)] : []),
		);
		this.list.hidden = false;
		this.input.setAttribute("aria-expanded", "true");
		this.activate(text === "" ? this.options.findIndex((room) => room?.id === this.room?.id) : 0);
	}

	/** @param {number} at */
	activate(at) {
		this.active = at;
		this.list.querySelector(".is-active")?.classList.remove("is-active");
		const item = this.list.querySelector(`#room-option-${at}`);
		item?.classList.add("is-active");
		item?.scrollIntoView({ block: "nearest" });
		if (item) this.input.setAttribute("aria-activedescendant", item.id);
		else this.input.removeAttribute("aria-activedescendant");
	}

	/** @param {KeyboardEvent} event */
	key(event) {
		const isOpen = !this.list.hidden;
		if (event.key === "ArrowDown" || event.key === "ArrowUp") {
			event.preventDefault();
			if (!isOpen) void this.open("");
			else {
				const step = event.key === "ArrowDown" ? 1 : -1;
				this.activate(Math.min(this.options.length - 1, Math.max(0, this.active + step)));
			}
		} else if (event.key === "Enter") {
			event.preventDefault();
			if (isOpen && this.active >= 0) this.take(this.active);
		} else if (event.key === "Escape" && isOpen) {
			event.preventDefault();
			this.close();
			this.input.select();
		}
	}

	/** @param {number} at */
	take(at) {
		const room = this.options[at];
		if (room === undefined) return;
		this.show(room);
		this.close();
		this.chosen(room);
	}

	close() {
		clearTimeout(this.timer);
		this.running?.abort();
		this.list.hidden = true;
		this.input.setAttribute("aria-expanded", "false");
		this.input.removeAttribute("aria-activedescendant");
		this.show(this.room);
	}
}

/** @param {Room} room */
const nameOf = (room) => `# ${room.name || room.id}`;
