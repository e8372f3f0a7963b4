"""What large rooms, and rooms in which much is said, cost the page of somebody who is in them.

    .venv/bin/python -m bench.busy_page --members 5000 --seconds 10

Starts an installation of its own. One person in Chromium types in an empty room, opens a room of
so many members, types in a room of 1,000 members and 20,000 messages while others post there,
scrolls up in it, and scrolls through 10,000 messages. The empty room of the same run is what the
rest is to be compared with: the machine's other work slows both.

`--before DIR` does it twice, first with the interface of another commit: DIR is the folder that
`vite build` filled in a checkout of it, chat/static/chat/build. The server is the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Route, sync_playwright

from tests.acceptance.busy_room import Room, Seen, Watched, make_room, talk
from tests.acceptance.people import Person
from tests.acceptance.stack import RunningStack

BUSY_MEMBERS = 1_000
BUSY_MESSAGES = 20_000
SCROLLED_THROUGH = 10_000
RATES = (20, 100)
TEXT = "eighteen letters.."
PAUSE_MS = 60.0
SCROLL_SECONDS = 240.0
# The interface before the measures is blocked for minutes.
PATIENCE_MS = 300_000
# Older builds do not know what the page says before they are there.
HIDE_STARTING = ".starting { display: none !important }"
BUILD = "/static/chat/build/"

Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=5_000, help="of the large room")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each stretch")
    parser.add_argument("--before", type=Path, help="a built interface to compare with")
    options = parser.parse_args()
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    if executable is None:
        sys.exit("No Chromium found; CHROMIUM says where it is.")
    folder = Path(tempfile.mkdtemp(prefix="veche-busy-"))
    folder.chmod(0o755)  # PostgreSQL runs as another account where this is root
    stack = RunningStack(folder, {"LOG_LEVEL": "WARNING"})
    stack.start()
    try:
        say("making rooms")
        rooms = {
            "empty": make_room(stack, "empty", "anna", members=1, messages=0),
            "large": make_room(stack, "large", "anna", members=options.members, messages=0),
            "busy": make_room(stack, "busy", "anna", members=BUSY_MEMBERS, messages=BUSY_MESSAGES),
        }
        found: dict[str, Figures] = {}
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=executable, args=["--no-sandbox"] if os.geteuid() == 0 else []
            )
            if options.before:
                found["before"] = measure(browser, stack, rooms, options.seconds, options.before)
            found["now"] = measure(browser, stack, rooms, options.seconds, None)
            browser.close()
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)
    report(found)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def measure(
    browser: Browser,
    stack: RunningStack,
    rooms: dict[str, Room],
    seconds: float,
    build: Path | None,
) -> Figures:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    if build:
        serve(build, context)
    page = context.new_page()
    anna = Person("anna", context, page)
    page.set_default_timeout(PATIENCE_MS)
    anna.sign_in(stack.address, stack.accounts()["anna"])
    watched = Watched(page)
    figures: Figures = {}

    say("an empty room")
    watched.open(rooms["empty"].slug)
    with watched.stretch() as seen:
        type_for(watched, seconds)
    figures |= typing("empty", seen)

    say("opening a large room")
    with watched.stretch() as seen:
        began = time.monotonic()
        watched.open(rooms["large"].slug)
        opened = time.monotonic() - began
        page.wait_for_timeout(seconds * 1000)
    figures |= {
        "large: opened, ms": opened * 1000,
        "large: longest block, ms": seen.longest_task,
        "large: blocked in all, ms": seen.blocked_ms,
        "large: rows of members": seen.members,
        "large: requests": len(seen.requests),
    }
    with talk(stack, rooms["large"], RATES[0]) as said, watched.stretch() as seen:
        page.wait_for_timeout(seconds * 1000)
    figures["large: requests a message"] = len(seen.requests) / said.posted
    figures["large: main thread busy, %"] = 100 * seen.busy_share

    watched.open(rooms["busy"].slug)
    for rate in RATES:
        say(f"typing at {rate} messages/s")
        with talk(stack, rooms["busy"], rate) as said, watched.stretch() as seen:
            type_for(watched, seconds)
        figures |= typing(f"{rate}/s", seen)
        figures[f"{rate}/s: messages"] = said.posted
        figures[f"{rate}/s: requests a message"] = len(seen.requests) / said.posted
        figures[f"{rate}/s: rows"] = seen.rows

    say("scrolled up while messages come")
    with talk(stack, rooms["busy"], RATES[-1]), watched.stretch() as seen:
        watched.scroll(-1500)
        page.wait_for_timeout(seconds * 1000)
    figures["scrolled up: rows"] = seen.rows

    say("scrolling")
    with watched.stretch() as seen:
        passed = watched.scroll_up_through(SCROLLED_THROUGH, SCROLL_SECONDS)
    figures["scrolling: messages"] = passed
    figures["scrolling: rows"] = seen.rows
    figures["scrolling: longest block, ms"] = seen.longest_task
    context.close()
    return figures


def serve(build: Path, context: BrowserContext) -> None:
    """Gives the pages of `context` the script and the styles of another build."""
    entry = json.loads((build / "manifest.json").read_text())["src/main.ts"]
    files = {"js": build / entry["file"], "css": build / entry["css"][0]}
    types = {"js": "text/javascript", "css": "text/css"}

    def answer(route: Route) -> None:
        kind = route.request.url.rpartition(".")[2]
        text = files[kind].read_text()
        if kind == "css":
            text += HIDE_STARTING
        route.fulfill(body=text, content_type=types[kind])

    context.route(f"**{BUILD}assets/*", answer)


def type_for(watched: Watched, seconds: float) -> None:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        watched.type(TEXT, PAUSE_MS)


def typing(where: str, seen: Seen) -> Figures:
    return {
        f"{where}: key, median ms": seen.median_key,
        f"{where}: key, 99 % within ms": seen.key(0.99),
        f"{where}: key, slowest ms": max(seen.keys),
        f"{where}: longest block, ms": seen.longest_task,
        f"{where}: main thread busy, %": 100 * seen.busy_share,
    }


def report(found: dict[str, Figures]) -> None:
    print(f"{'':32}" + "".join(f"{name:>12}" for name in found))
    for figure in found["now"]:
        values = "".join(f"{figures[figure]:12,.2f}" for figures in found.values())
        print(f"{figure:32}{values}")


if __name__ == "__main__":
    main()
