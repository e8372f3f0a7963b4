// What the admin's own pages do by themselves. Without it every page still works by its forms.
//
//   data-poll="<url>" data-seconds="5"   the content is fetched anew while somebody looks
//   data-poll-until="<selector>"         … until it holds this
//   data-steps                           a form that is sent again and again until its answer
//                                        says it is done (see dead_letter_job_state.html)
//   data-export                          an export: rows are fetched and put into a file
//   data-check-all                       ticks all boxes of its form
//   data-once                            a form that is sent once, however often it is clicked
"use strict";

(() => {
  const hidden = () => document.visibilityState === "hidden";
  const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
  const visible = () =>
    new Promise((done) => {
      if (!hidden()) return done();
      const look = () => {
        if (hidden()) return;
        document.removeEventListener("visibilitychange", look);
        done();
      };
      document.addEventListener("visibilitychange", look);
    });

  // What the person has typed or opened in a part must survive its renewal.
  const busy = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");

  async function poll(part) {
    const seconds = Number(part.dataset.seconds || 5);
    const state = document.querySelector(part.dataset.state || "#none");
    let failures = 0;
    for (;;) {
      const until = part.dataset.pollUntil;
      if (until && part.querySelector(until)) return;
      await sleep(seconds * 2 ** Math.min(failures, 4));
      await visible();
      try {
        const answer = await fetch(part.dataset.poll, { headers: { "X-Requested-With": "fetch" }, redirect: "error" });
        if (!answer.ok) throw new Error(String(answer.status));
        const text = await answer.text();
        failures = 0;
        if (!busy(part)) part.innerHTML = text;
        if (state) state.hidden = true;
      } catch {
        failures += 1;
        if (state) state.hidden = false;
      }
    }
  }

  async function steps(form) {
    const part = document.querySelector(form.dataset.steps);
    let failures = 0;
    while (part.querySelector("[data-running]")) {
      await visible();
      try {
        const answer = await fetch(form.action, {
          method: "POST",
          body: new FormData(form),
          headers: { "X-Requested-With": "fetch" },
          redirect: "error",
        });
        if (answer.status !== 200 && answer.status !== 503) throw new Error(String(answer.status));
        part.innerHTML = await answer.text();
        failures = answer.status === 200 ? 0 : failures + 1;
      } catch {
        failures += 1;
      }
      await sleep(failures ? Math.min(2 ** failures, 30) : 0.2);
    }
  }

  const number = new Intl.NumberFormat(document.documentElement.lang || "en");

  async function exportRows(form) {
    const bar = form.querySelector("progress");
    const told = form.querySelector("[data-told]");
    const words = form.dataset;
    const buttons = form.querySelectorAll("button[name=format]");
    const cancel = form.querySelector("[data-cancel]");
    let cancelled = false;
    cancel?.addEventListener("click", () => {
      cancelled = true;
    });

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const format = event.submitter.value;
      const body = new FormData(form);
      body.set("format", format);
      for (const button of buttons) button.disabled = true;
      cancelled = false;
      if (cancel) cancel.hidden = false;
      bar.hidden = false;
      try {
        const begun = await fetch(form.action, { method: "POST", body, redirect: "error" });
        if (!begun.ok) throw new Error(String(begun.status));
        const { ticket } = await begun.json();
        const parts = [];
        let rows = 0;
        let next = "";
        let failures = 0;
        const total = Number(words.total) || 0;
        const exact = words.exact === "1";
        do {
          if (cancelled) break;
          const query = new URLSearchParams({ ticket });
          if (next) query.set("at", next);
          const answer = await fetch(`${words.rows}?${query}`, { redirect: "error" }).catch(() => null);
          if (!answer?.ok) {
            failures += 1;
            if (failures > 5 || answer?.status === 403) throw new Error("away");
            await sleep(2 ** failures);
            continue;
          }
          failures = 0;
          // As a blob, which the browser may keep on disk.
          parts.push(await answer.blob());
          rows += Number(answer.headers.get("X-Export-Rows"));
          next = answer.headers.get("X-Export-Next") || "";
          bar.max = Math.max(total, rows, 1);
          bar.value = rows;
          told.textContent = words.of
            .replace("{x}", number.format(rows))
            .replace("{y}", (exact ? "" : "~") + number.format(Math.max(total, rows)));
        } while (next);
        if (cancelled) {
          told.textContent = words.stopped.replace("{x}", number.format(rows));
        } else {
          const link = document.createElement("a");
          link.href = URL.createObjectURL(new Blob(parts, { type: "application/octet-stream" }));
          link.download = `${words.name}.${format}`;
          link.click();
          setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
          bar.value = bar.max;
          told.textContent = words.done.replace("{x}", number.format(rows));
        }
      } catch {
        told.textContent = words.failed;
      } finally {
        for (const button of buttons) button.disabled = false;
        if (cancel) cancel.hidden = true;
      }
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const part of document.querySelectorAll("[data-poll]")) poll(part);
    for (const form of document.querySelectorAll("form[data-steps]")) steps(form);
    for (const form of document.querySelectorAll("form[data-export]")) exportRows(form);
    for (const form of document.querySelectorAll("form[data-once]")) {
      form.addEventListener("submit", () => {
        // After the browser has read the form, or the button's own value would be missing.
        setTimeout(() => {
          for (const button of form.querySelectorAll("button")) button.disabled = true;
        });
      });
    }
    for (const all of document.querySelectorAll("[data-check-all]")) {
      all.addEventListener("change", () => {
        for (const box of document.querySelectorAll(all.dataset.checkAll)) box.checked = all.checked;
      });
    }
    // A form that shows a field only for one choice: data-for="<value>" inside data-choices.
    for (const form of document.querySelectorAll("[data-choices]")) {
      const choice = form.querySelector(form.dataset.choices);
      const show = () => {
        for (const field of form.querySelectorAll("[data-for]")) {
          const meant = field.dataset.for.split(" ").includes(choice.value);
          field.hidden = !meant;
          for (const input of field.querySelectorAll("input, select, textarea")) input.disabled = !meant;
        }
      };
      choice.addEventListener("change", show);
      show();
    }
  });
})();
