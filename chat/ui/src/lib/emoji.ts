/** A sensible set; the server takes any emoji. */
export const EMOJI: string[] = (
	"👍 👎 👏 🙌 🙏 👌 ✌️ 🤝 💪 👋 🤞 🫡 " +
	"😀 😄 😂 🤣 🙂 😉 😊 😍 🥰 😎 🤓 🤔 🤨 😐 😴 🙄 😬 😮 😢 😭 😡 🤯 👀 🥳 🥲 😅 😇 🤗 🤐 😱 🤷 🤦 " +
	"❤️ 🧡 💛 💚 💙 💜 🖤 💔 💯 🔥 ✨ ⭐ 🎉 🎊 🏆 🥇 🎯 🚀 💡 ⚡ " +
	"✅ ❌ ❗ ❓ ⚠️ 🚨 🧠 🐛 🔧 🔒 🔍 📌 📎 📅 ⏰ 💬 📣 📦 🧪 " +
	"☕ 🍕 🍰 🍺 🌍 🌱 ☀️ 🌧️ 🐱 🐶 🦊 🐢 🦄"
).split(" ");
