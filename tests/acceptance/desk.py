"""The administrator at a desk or with a phone, at the pages that are not the chat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.acceptance.people import PATIENCE_MS

SHOTS = Path("var/screenshots")
WIDE, PHONE = {"width": 1280, "height": 850}, {"width": 390, "height": 844}


class Desk:
    """The administrator at a page of the admin. Everything the browser complains about counts."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        self.address = address
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def sign_in(self, name: str, password: str, *, then: str = "/admin/") -> None:
        """Sign in, and wait for the page `then`."""
        self.page.goto(f"{self.address}/accounts/login/?next={then}")
        self.page.locator("input[name=login]").fill(name)
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("form button[type=submit]").first.click()
        self.page.wait_for_url(f"{self.address}{then}")

    def open(self, path: str) -> None:
        answer = self.page.goto(f"{self.address}{path}")
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"admin-{name}.png")

    def fits(self) -> bool:
        """Whether the page scrolls only up and down."""
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return not self.page.evaluate(wide)
