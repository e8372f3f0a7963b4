export interface Toast {
	id: number;
	text: string;
	tone: "info" | "error";
}

const SHOWN_MS = 6_000;
const MOST = 4;

class Toasts {
	list = $state<Toast[]>([]);
	private next = 1;

	show(text: string, tone: Toast["tone"] = "info"): void {
		if (this.list.some((toast) => toast.text === text)) return;
		const id = this.next++;
		this.list = [...this.list.slice(1 - MOST), { id, text, tone }];
		setTimeout(() => this.dismiss(id), SHOWN_MS);
	}

	dismiss(id: number): void {
		this.list = this.list.filter((toast) => toast.id !== id);
	}
}

export const toasts = new Toasts();
