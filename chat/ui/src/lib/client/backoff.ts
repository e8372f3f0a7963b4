const FIRST_MS = 500;
const MOST_MS = 30_000;

/**
 * Milliseconds to wait before reconnection attempt `attempt` (0, 1, 2 …).
 *
 * Doubles up to 30 s. Half of it is random, so that the clients of a restarted server do not all return at once.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
	const ceiling = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
	return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
