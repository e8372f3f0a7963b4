/** Signs of unread messages on the page's icon. */

const MARK =
	'<rect width="32" height="32" rx="9" fill="#0f766e"/>' +
	'<path fill="#fff" d="M16 6.2a1.6 1.6 0 0 0-1.6 1.6v.5c-3 .8-4.9 3.5-4.9 7.1 0 3.4-.9 5-2.1 6.2-.5.6-.1 1.5.7 1.5h15.8c.8 0 1.2-.9.7-1.5-1.2-1.2-2.1-2.8-2.1-6.2 0-3.6-1.9-6.3-4.9-7.1v-.5A1.6 1.6 0 0 0 16 6.2z"/>' +
	'<path fill="#fff" d="M13.7 24.6a2.4 2.4 0 0 0 4.6 0z"/>';

/** `direct`: unread messages in direct conversations; `rooms`: whether anything else is unread. */
export function iconWith(direct: number, rooms: boolean): string | null {
	if (direct === 0 && !rooms) return null;
	const number = direct > 9 ? "9+" : String(direct);
	const sign =
		direct > 0
			? `<circle cx="21" cy="11" r="11" fill="#dc2626"/><text x="21" y="16.5" fill="#fff" font-family="sans-serif" font-weight="700" font-size="${number.length > 1 ? 13 : 16}" text-anchor="middle">${number}</text>`
			: '<circle cx="25" cy="7" r="7" fill="#dc2626"/>';
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${MARK}${sign}</svg>`;
	return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

let usual: string | null = null;

export function showOnIcon(direct: number, rooms: boolean): void {
	const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
	if (!link) return;
	usual ??= link.href;
	const href = iconWith(direct, rooms) ?? usual;
	if (link.href !== href) link.href = href;
}
