import type { SetMarker, SetMarkerStore } from "../client/markers-by-hand";

/** Markers that wait for the server, kept across reloads as long as this browser may store anything. */
export class KeptMarkers implements SetMarkerStore {
	private readonly key: string;

	constructor(user: number) {
		this.key = `veche:markers:${user}`;
	}

	readonly load = (): SetMarker[] => {
		try {
			return JSON.parse(localStorage.getItem(this.key) ?? "[]") as SetMarker[];
		} catch {
			return [];
		}
	};

	readonly save = (markers: SetMarker[]): void => {
		try {
			if (markers.length === 0) localStorage.removeItem(this.key);
			else localStorage.setItem(this.key, JSON.stringify(markers));
		} catch {
			// Storage is full or forbidden: they last as long as the page.
		}
	};
}
