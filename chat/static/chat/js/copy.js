// A button with data-copy puts the text of the field with that id on the clipboard, and says so.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  field.addEventListener("focus", () => field.select());
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      // Browsers lend the clipboard to HTTPS only.
      if (!document.execCommand("copy")) return;
    }
    button.textContent = button.dataset.copied;
  });
}
