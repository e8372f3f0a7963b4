"""Seconds from a message to the counter that moves on the analytics page.

    make run PORT=8000          # in another terminal
    python -m bench.analytics_live --address http://127.0.0.1:8000

Both demo accounts in a real browser: boris presses Enter in the chat, anna's page is open beside
it. Measured from the key press to the change of the number on the page; both use one clock.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

PATIENCE_MS = 60_000
PAUSE_SECONDS = 1.7  # not a multiple of the page's one-second cycle

WATCH = """() => {
    window.moves = [];
    const list = document.querySelector("[data-counters]");
    let last = "";
    new MutationObserver(() => {
        const now = list.querySelector("[data-counter=messages]")?.dataset.value;
        if (now !== undefined && now !== last) window.moves.push([Number(now), Date.now()]);
        last = now ?? last;
    }).observe(list, { childList: true, subtree: true });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True)
    parser.add_argument("--accounts", type=Path, default=Path("var/demo-accounts.json"))
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    accounts = json.loads(options.accounts.read_text())

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        boris = signed_in(browser, options.address, "boris", accounts["boris"])
        anna = signed_in(browser, options.address, "anna", accounts["anna"])
        print(json.dumps(measure(options.address, boris, anna, options.times)))
        browser.close()


def signed_in(browser: Browser, address: str, name: str, password: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{address}/accounts/login/")
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill(password)
    page.locator("form button[type=submit]").first.click()
    page.get_by_test_id("room-list").wait_for()
    return page


def measure(address: str, boris: Page, anna: Page, times: int) -> dict[str, object]:
    boris.locator("[data-testid=room-item][data-room-slug=general]").click()
    composer = boris.get_by_test_id("composer")
    anna.goto(f"{address}/analytics/?period=24h")
    anna.get_by_test_id("counter-messages").wait_for()
    anna.evaluate(WATCH)
    took = []
    for number in range(times):
        time.sleep(PAUSE_SECONDS)
        seen = anna.evaluate("window.moves.length")
        composer.fill(f"message {number}")
        pressed = boris.evaluate("Date.now()")
        composer.press("Enter")
        anna.wait_for_function("(seen) => window.moves.length > seen", arg=seen)
        moved = anna.evaluate("window.moves.at(-1)[1]")
        took.append((moved - pressed) / 1000)
    return {
        "messages": times,
        "seconds_median": round(statistics.median(took), 2),
        "seconds_slowest": round(max(took), 2),
        "load_average": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
