/**
 * A UUIDv7 of the moment `ms` (milliseconds since 1970): the idempotency key of one request.
 *
 * The server refuses keys from its future, so pass the server's time, not this machine's.
 */
export function uuid7(ms: number): string {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	for (let i = 5, rest = Math.floor(ms); i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
	bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
	bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
	const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
