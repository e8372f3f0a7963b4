export interface Toast {
	id: number;
	text: string;
	tone: "info" | "error";
	/** What the person may do about it, while it is shown. */
	action: ToastAction | null;
}

export interface ToastAction {
	label: string;
	run: () => void;
}

const SHOWN_MS = 6_000;
/** Time to think again. */
const SHOWN_WITH_ACTION_MS = 12_000;
const MOST = 4;

class Toasts {
	list = $state<Toast[]>([]);
	private next = 1;

	show(text: string, tone: Toast["tone"] = "info", action: ToastAction | null = null): void {
		if (!action && this.list.some((toast) => toast.text === text)) return;
		const id = this.next++;
		this.list = [...this.list.slice(1 - MOST), { id, text, tone, action }];
		setTimeout(() => this.dismiss(id), action ? SHOWN_WITH_ACTION_MS : SHOWN_MS);
	}

	dismiss(id: number): void {
		this.list = this.list.filter((toast) => toast.id !== id);
	}
}

export const toasts = new Toasts();
