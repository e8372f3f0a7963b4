import type { ServerFrame } from "./frames";

/** The server's frame in `text`, or null when it is not an object with a type. */
export function parseFrame(text: string): ServerFrame | null {
	try {
		const frame: unknown = JSON.parse(text);
		if (typeof frame === "object" && frame !== null && typeof (frame as { t?: unknown }).t === "string") {
			return frame as ServerFrame;
		}
	} catch {
		// Not JSON: answered like a frame of an unknown type.
	}
	return null;
}
