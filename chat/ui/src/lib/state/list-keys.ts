import { hasModifier, isComposing } from "../keys";

/**
 * The keyboard in a list that is one Tab stop: up, down, Home and End go from entry to entry, right to the button
 * beside one, and left back. What they stop at has `data-list-stop`; it and its button are in one `data-room-row`.
 */
export function moveInList(event: KeyboardEvent, list: HTMLElement): void {
	if (event.defaultPrevented || isComposing(event) || hasModifier(event)) return;
	const from = event.target as HTMLElement;
	const stops = [...list.querySelectorAll<HTMLElement>("[data-list-stop]")];
	const rowOf = (element: HTMLElement | undefined) => element?.closest<HTMLElement>("[data-room-row]");
	const at = stops.findIndex((stop) => rowOf(stop) === rowOf(from));
	if (at < 0) return;
	const to = {
		ArrowDown: stops[at + 1],
		ArrowUp: stops[at - 1],
		Home: stops[0],
		End: stops.at(-1),
		ArrowRight: rowOf(stops[at])?.querySelector<HTMLElement>("button:not([data-list-stop])"),
		ArrowLeft: stops[at],
	}[event.key];
	if (to === undefined) return;
	event.preventDefault();
	to?.focus();
}
