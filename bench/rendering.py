"""What the worst texts cost the page that shows them, before and after a change.

    python -m bench.rendering --before v1.0

Renders every text of `chat/ui/test/pathological.ts`, each as long as a message may be, in Chromium:
the Markdown and its sanitising, then the document and its layout. Then a page of 50 messages, each
a table of bare pipes. With `--before`, the renderer of that commit does the same in the same
browser. Milliseconds of the main thread, during which the page does nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from localstack.node import npm

PROJECT = Path(__file__).resolve().parent.parent
UI = PROJECT / "chat" / "ui"
SHOWN = 12

ENTRY = """
import * as markdown from "./lib/markdown";
import { FormattingBudget } from BUDGET;
import { generated, HONEST, PATHOLOGICAL } from "../../test/pathological";

const place = document.body.appendChild(document.createElement("div"));
place.className = "prose";

function rendered(text) {
    const made = markdown.renderMarkdown(text);
    return typeof made === "string" ? made : made.html;
}

// What Svelte does with it.
function show(text, html) {
    const row = place.appendChild(document.createElement("div"));
    if (html === null) {
        row.style.whiteSpace = "pre-wrap";
        row.textContent = markdown.apart(markdown.beginning(text));
    } else {
        const template = document.createElement("template");
        template.innerHTML = html;
        row.append(template.content);
    }
}

// The least of three: the machine may be busy. A space more each time: results are kept.
function least(run) {
    const runs = [run("")];
    if (runs[0].all < 1000) runs.push(run(" "), run("  "));
    return runs.reduce((best, one) => (one.all < best.all ? one : best));
}

function measured(texts, render) {
    place.replaceChildren();
    const start = performance.now();
    const htmls = texts.map(render);
    const rendering = performance.now() - start;
    texts.forEach((text, at) => show(text, htmls[at]));
    const height = place.offsetHeight;
    const all = performance.now() - start;
    const walker = document.createTreeWalker(place);
    let nodes = 0;
    while (walker.nextNode()) nodes += 1;
    place.replaceChildren();
    const formatted = htmls.filter((html) => html !== null).length;
    return { rendering, all, nodes, formatted, height };
}

globalThis.cases = () => ({ ...PATHOLOGICAL, ...Object.fromEntries(
    [...generated(200, 1)].map((text, at) => ["put together no. " + at, text])) });
globalThis.honest = () => HONEST;
globalThis.one = (text) => least((space) => measured([text + space], rendered));
globalThis.page = () => least((space) => {
    const texts = Array.from({ length: 50 }, (_, at) =>
        at + space + "\\n\\n" + PATHOLOGICAL["a table of bare pipes"].slice(0, 7900));
    const budget = FormattingBudget && new FormattingBudget();
    return measured(texts, (text) =>
        budget ? budget.format(Symbol(), text, false).html : rendered(text));
});
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", metavar="COMMIT", help="compare with the renderer of a commit")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=UI) as name:
        folder = Path(name)
        scripts = {"now": built(folder / "now", None)}
        if arguments.before:
            scripts = {arguments.before: built(folder / "old", arguments.before), **scripts}
        with sync_playwright() as playwright:
            browser = launched(playwright)
            for label, script in scripts.items():
                report(label, browser, script)
            browser.close()


def built(folder: Path, commit: str | None) -> Path:
    """A browser script with the renderer of `commit`, or of this folder."""
    folder.mkdir()
    if commit is None:
        shutil.copytree(UI / "src" / "lib", folder / "lib")
    else:
        archive = subprocess.run(
            ["git", "archive", f"{commit}:chat/ui/src", "lib"],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            check=True,
        )
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    budget = folder / "lib" / "formatting-budget.ts"
    if not budget.exists():
        budget.write_text("export const FormattingBudget = null;\n")
    entry = folder / "entry.js"
    entry.write_text(ENTRY.replace("BUDGET", '"./lib/formatting-budget"'))
    node, command = npm()
    script = folder / "script.js"
    bundle = ["rolldown", str(entry), "--format", "iife", "--file", str(script)]
    subprocess.run(
        [*command, "--prefix", str(UI), "exec", "--", *bundle],
        cwd=UI,
        env={**os.environ, "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return script


def launched(playwright: Any) -> Browser:
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    if executable is None:
        sys.exit("No Chromium found; CHROMIUM says where it is.")
    browser: Browser = playwright.chromium.launch(
        executable_path=executable, args=["--no-sandbox"] if os.geteuid() == 0 else []
    )
    return browser


def report(label: str, browser: Browser, script: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(0)
    page.set_content("<!doctype html><body></body>")
    page.add_style_tag(path=UI / "src" / "app.css")
    page.add_script_tag(path=script)
    honest: dict[str, str] = page.evaluate("honest()")
    for _ in range(3):  # the browser's first compilation must not be measured
        for text in honest.values():
            page.evaluate("(text) => one(text + '\\n')", text)
    cases: dict[str, str] = {**honest, **page.evaluate("cases()")}
    found = [(name, page.evaluate("(text) => one(text)", text)) for name, text in cases.items()]
    found.sort(key=lambda one: -float(one[1]["all"]))
    print(f"\n{label}: {len(found)} texts; the {SHOWN} that take longest")
    print("  rendering       all    nodes  shown")
    for name, one in found[:SHOWN]:
        line(one, name)
    print("  most nodes:", max(one["nodes"] for _, one in found))
    print("  long texts as people write them:")
    for name, one in found:
        if name in honest:
            line(one, name)
    print("  a page of 50 bombs:")
    line(page.evaluate("page()"), "")
    page.close()


def line(one: dict[str, Any], name: str) -> None:
    shown = "formatted" if one["formatted"] else "plain"
    print(f"{one['rendering']:8.1f} ms {one['all']:6.1f} ms {one['nodes']:8,d}  {shown:9s}  {name}")


if __name__ == "__main__":
    main()
