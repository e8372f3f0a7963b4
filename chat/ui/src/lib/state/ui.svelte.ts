import type { Component } from "svelte";
import { MediaQuery } from "svelte/reactivity";
import type { Act } from "./acts";

export type Dialog =
	| { kind: "jump" }
	| { kind: "keys" }
	| { kind: "browse" }
	| { kind: "further" }
	| { kind: "create" }
	| { kind: "direct" }
	/** Names a section of the list of rooms; `name` null: a new one, which begins with `room`. */
	| { kind: "section"; name: string | null; room: number | null }
	/** `room` null: in all rooms. */
	| { kind: "search"; room: number | null; query?: string }
	/** To a day in a room. */
	| { kind: "date"; room: number }
	| { kind: "invite"; room: number }
	| { kind: "settings"; room: number }
	| { kind: "forward"; room: number; seq: number; body: string }
	| { kind: "delete"; room: number; seq: number }
	/** An act of an owner or moderator: on a member, or on a message and its author. */
	| { kind: "act"; act: Act }
	| { kind: "report"; room: number; seq: number; author: number | null }
	| { kind: "who-reacted"; room: number; seq: number; counts: Record<string, number> }
	| { kind: "my-reports" }
	| { kind: "reports"; room: number }
	| { kind: "audit"; room: number };

export interface MenuItem {
	name: string;
	label: string;
	icon: Component;
	danger?: boolean;
	run: () => void;
}

export interface Menu {
	/** The button that opened it. */
	near: DOMRect;
	label: string;
	items: MenuItem[];
}

export interface Picking {
	/** Where the button is that opened it. */
	near: DOMRect;
	pick: (emoji: string) => void;
}

/** What is open on the page. */
class Ui {
	dialog = $state.raw<Dialog | null>(null);
	picking = $state.raw<Picking | null>(null);
	menu = $state.raw<Menu | null>(null);
	/** On a phone the list of rooms is a drawer. */
	readonly phone = new MediaQuery("max-width: 47.99rem");
	drawer = $state(false);
	/** There is space for the members beside the messages; otherwise their list covers the messages. */
	readonly wide = new MediaQuery("min-width: 68.75rem");
	members = $state(this.wide.current);
	/** The message whose actions a tap brought up, as `<room>-<seq>`. */
	touched = $state<string | null>(null);

	show(dialog: Dialog): void {
		this.drawer = false;
		this.dialog = dialog;
	}
}

export const ui = new Ui();
