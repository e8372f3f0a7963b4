/** A combobox that finds rooms by name: type, arrow keys, Enter; Escape gives up. */

import type { Answers, Room } from "./answers";
import { ask } from "./api";
import { element, find } from "./dom";
import { served } from "./page";
import { words } from "./words";

const PAUSE_MS = 150;

export class RoomPicker {
	private readonly input = find<HTMLInputElement>("#room-picker");
	private readonly list = find("#room-options");
	private room = served.room;
	private options: (Room | null)[] = [];
	private active = -1;
	private timer: ReturnType<typeof setTimeout> | undefined;
	private running: AbortController | null = null;

	constructor(private readonly chosen: (room: Room | null) => void) {
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

	show(room: Room | null): void {
		this.room = room;
		this.input.value = room === null ? words.allRooms : nameOf(room);
	}

	private async open(text: string): Promise<void> {
		this.running?.abort();
		const running = new AbortController();
		this.running = running;
		try {
			const answer = await ask("rooms", new URLSearchParams({ q: text, limit: "50" }), {
				signal: running.signal,
			});
			if (running.signal.aborted) return;
			if (answer !== null) this.fill(text, answer.body);
		} catch {
			if (!running.signal.aborted) this.close();
		}
	}

	private fill(text: string, found: Answers["rooms"]): void {
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

	private activate(at: number): void {
		this.active = at;
		this.list.querySelector(".is-active")?.classList.remove("is-active");
		const item = this.list.querySelector(`#room-option-${at}`);
		item?.classList.add("is-active");
		item?.scrollIntoView({ block: "nearest" });
		if (item) this.input.setAttribute("aria-activedescendant", item.id);
		else this.input.removeAttribute("aria-activedescendant");
	}

	private key(event: KeyboardEvent): void {
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

	private take(at: number): void {
		const room = this.options[at];
		if (room === undefined) return;
		this.show(room);
		this.close();
		this.chosen(room);
	}

	private close(): void {
		clearTimeout(this.timer);
		this.running?.abort();
		this.list.hidden = true;
		this.input.setAttribute("aria-expanded", "false");
		this.input.removeAttribute("aria-activedescendant");
		this.show(this.room);
	}
}

const nameOf = (room: Room) => `# ${room.name || room.id}`;
