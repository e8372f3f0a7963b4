"""Chromium as tests and measurements drive it, and signing in through the form."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from localstack.process import StartFailed

# Chromium's own start-up requests go nowhere on a machine without a network and only delay it.
ARGUMENTS = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
# This list replaces Playwright's, so it repeats what of that concerns a page on loopback.
NOT_WANTED = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    # What drops down from the address bar is a page in a process of its own, made for each window
    # before anybody can ask for it: it costs more than the page that is opened.
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxPopup",
)


def find_chromium() -> str:
    """The path of Chromium. Raises: StartFailed."""
    names = ("chromium-headless-shell", "chromium", "chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise StartFailed("No Chromium found; CHROMIUM says where it is, `.ci/chromium` gets one.")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises: StartFailed."""
    executable = find_chromium()
    arguments = [*ARGUMENTS, f"--disable-features={','.join(NOT_WANTED)}"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium cannot make one as root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


def sign_in(page: Page, address: str, username: str, password: str) -> None:
    """Returns when the chat shows the rooms."""
    page.goto(f"{address}/accounts/login/")
    page.locator("input[name=login]").fill(username)
    page.locator("input[name=password]").fill(password)
    page.locator("form button[type=submit]").first.click()
    page.wait_for_url(f"{address}/**")
    page.get_by_test_id("room-list").wait_for()
