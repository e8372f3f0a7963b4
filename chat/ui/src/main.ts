import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { language } from "./lib/i18n/index.svelte";
import { Chat, type PageConfig } from "./lib/state/chat.svelte";

const target = document.getElementById("veche");
const config = document.getElementById("veche-page")?.textContent;
if (target && config) {
	const chat = new Chat(JSON.parse(config) as PageConfig);
	void language.start().then(() => {
		target.replaceChildren();
		mount(App, { target, props: { chat } });
		void chat.start();
	});
}
