"""How soon a slow connection shows something: the sign-in page and the chat, with nothing cached.

    .venv/bin/python -m bench.first_paint --runs 3

Starts an installation of its own. Chromium's first contentful paint, in ms since the page was
requested, at 15 kB/s and a round trip of 100 ms; for the chat, also when the reader can write.
"""

from __future__ import annotations

import argparse
import json

from playwright.sync_api import Browser, BrowserContext, Page, StorageState

from bench.servers import own_stack
from localstack.chromium import chromium, sign_in
from localstack.running_stack import RunningStack

PATIENCE_MS = 180_000
# The page's own policy forbids waiting functions that evaluate a text.
PAINTED_AT = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => {
        for (const one of list.getEntries())
            if (one.name === "first-contentful-paint") resolve(one.startTime);
    }).observe({type: "paint", buffered: true});
})"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--bytes-per-second", type=int, default=15_000)
    parser.add_argument("--round-trip-ms", type=int, default=100)
    options = parser.parse_args()
    with own_stack() as stack, chromium() as browser:
        for run in range(1, options.runs + 1):
            figures = one_run(browser, stack, options.bytes_per_second, options.round_trip_ms)
            print(json.dumps({"run": run} | figures), flush=True)


def one_run(
    browser: Browser, stack: RunningStack, bytes_per_second: int, round_trip_ms: int
) -> dict[str, int]:
    """First paints in ms, each with an empty cache."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="ru-RU")
    page = slow_page(context, bytes_per_second, round_trip_ms)
    sign_in_painted = first_paint(page, f"{stack.address}/accounts/login/")
    context.close()

    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        locale="ru-RU",
        storage_state=signed_in(browser, stack),
    )
    page = slow_page(context, bytes_per_second, round_trip_ms)
    chat_painted = first_paint(page, f"{stack.address}/")
    page.get_by_test_id("composer").wait_for()
    ready = round(page.evaluate("performance.now()"))
    context.close()
    return {
        "sign_in_painted_ms": sign_in_painted,
        "chat_painted_ms": chat_painted,
        "chat_can_write_ms": ready,
    }


def slow_page(context: BrowserContext, bytes_per_second: int, round_trip_ms: int) -> Page:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": round_trip_ms,
            "downloadThroughput": bytes_per_second,
            "uploadThroughput": bytes_per_second,
        },
    )
    return page


def first_paint(page: Page, address: str) -> int:
    page.goto(address, wait_until="commit")
    painted_at: float = page.evaluate(PAINTED_AT)
    return round(painted_at)


def signed_in(browser: Browser, stack: RunningStack) -> StorageState:
    """Anna's session, from a connection that is not slow."""
    context = browser.new_context()
    sign_in(context.new_page(), stack.address, "anna", stack.accounts()["anna"])
    state = context.storage_state()
    context.close()
    return state


if __name__ == "__main__":
    main()
