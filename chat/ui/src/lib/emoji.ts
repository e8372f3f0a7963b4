/** A sensible set; the server takes any emoji. */
export const QUICK = ["👍", "❤️", "😂", "🎉", "👀", "✅"];

export const EMOJI: string[] = (
	"👍 👎 👏 🙌 🙏 👌 ✌️ 🤝 💪 👋 🤞 🫡 " +
	"😀 😄 😂 🤣 🙂 😉 😊 😍 🥰 😎 🤓 🤔 🤨 😐 😴 🙄 😬 😮 😢 😭 😡 🤯 👀 🥳 🥲 😅 😇 🤗 🤐 😱 🤷 🤦 " +
	"❤️ 🧡 💛 💚 💙 💜 🖤 💔 💯 🔥 ✨ ⭐ 🎉 🎊 🏆 🥇 🎯 🚀 💡 ⚡ " +
	"✅ ❌ ❗ ❓ ⚠️ 🚨 🧠 🐛 🔧 🔒 🔍 📌 📎 📅 ⏰ 💬 📣 📦 🧪 " +
	"☕ 🍕 🍰 🍺 🌍 🌱 ☀️ 🌧️ 🐱 🐶 🦊 🐢 🦄"
).split(" ");
