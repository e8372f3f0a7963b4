/** Allows `burst` things at once, and then `perSecond` more each second. */
export class Allowance {
	private left: number;
	private at: number;

	constructor(
		private readonly burst: number,
		private readonly perSecond: number,
		private readonly now = () => performance.now(),
	) {
		this.left = burst;
		this.at = now();
	}

	/** Whether one more is allowed now, which it then was. */
	take(): boolean {
		const now = this.now();
		this.left = Math.min(this.burst, this.left + ((now - this.at) / 1_000) * this.perSecond);
		this.at = now;
		if (this.left < 1) return false;
		this.left -= 1;
		return true;
	}
}
