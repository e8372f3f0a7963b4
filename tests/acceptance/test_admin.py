"""Moderators at their browsers: every page of the admin, and what they do there."""

from __future__ import annotations

import csv
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from localstack.running_stack import RunningStack
from tests.acceptance.people import PATIENCE_MS, People, SignedIn

SHOTS = Path("var/screenshots")
WIDE, PHONE = {"width": 1280, "height": 850}, {"width": 390, "height": 844}

# What stands in the dead letters and the messages must never run.
SCRIPT = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
MAKE_LETTERS = """
from chat import dead_letters
from chat.dead_letters import DeadLetterOrigin, Reason
for number in range(120):
    dead_letters.add(
        source="persist", reason=Reason.NO_ROOM, error={script!r}, payload={script!r}.encode(),
        origin=DeadLetterOrigin(shard=1, room=999999, seq=number + 1, key={key!r}),
    )
"""


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

    def sign_in(self, name: str, password: str) -> None:
        self.page.goto(f"{self.address}/accounts/login/?next=/admin/")
        self.page.locator("input[name=login]").fill(name)
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("form button[type=submit]").first.click()
        self.page.wait_for_url(f"{self.address}/admin/")

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


@pytest.fixture
def desks(browser: Browser, stack: RunningStack, signed_in: SignedIn) -> Iterator[Any]:
    made: list[Desk] = []

    def desk(viewport: Any = WIDE, scheme: Any = "light", locale: str = "en-GB") -> Desk:
        context = browser.new_context(
            viewport=viewport, color_scheme=scheme, locale=locale, accept_downloads=True
        )
        made.append(Desk(context, stack.address))
        if "anna" in signed_in:
            context.add_cookies(signed_in["anna"])
        else:
            made[-1].sign_in("anna", stack.accounts()["anna"])
            signed_in["anna"] = context.cookies()
        return made[-1]

    yield desk
    for one in made:
        one.context.close()
    assert [complaint for one in made for complaint in one.complaints] == []


def said(people: People, text: str) -> None:
    boris = people.at_desk("boris")
    boris.enter("general")
    boris.write(text)
    boris.sees_state(text, "stored")


def test_every_page_opens_wide_and_on_a_phone_light_and_dark(
    desks: Any, people: People, stack: RunningStack
) -> None:
    said(people, f"{SCRIPT} {uuid.uuid4().hex[:8]}")
    stack.shell(MAKE_LETTERS.format(script=SCRIPT, key=uuid.uuid4().hex))
    wide = desks()
    wide.open("/admin/history/")
    wide.page.get_by_role("link", name=re.compile(r"\d{4}-\d\d-\d\d")).first.click()
    message = wide.page.url.removeprefix(stack.address)
    wide.open("/admin/dead-letters/")
    wide.page.locator("td a").first.click()
    letter = wide.page.url.removeprefix(stack.address)
    pages = {
        "start": "/admin/",
        "history": "/admin/history/",
        "search": "/admin/history/?q=onerror",
        "message": message,
        "export": "/admin/history/export/",
        "reports": "/admin/reports/",
        "dead-letters": "/admin/dead-letters/",
        "dead-letter": f"{letter}?payload=1",
        "delivery": "/admin/delivery/?room=general",
        "audit": "/admin/audit/",
        "people": "/admin/chat/user/",
        "person": "/admin/chat/user/2/change/",
        "rooms": "/admin/chat/room/",
        "room": "/admin/chat/room/1/change/",
        "sessions": "/admin/people/2/sessions/",
        "own-sessions": "/accounts/sessions/",
        "second-factor": "/accounts/2fa/",
    }
    dark, phone = desks(scheme="dark"), desks(PHONE)

    for name, path in pages.items():
        wide.open(path)
        assert wide.page.title() != "run"
        assert wide.fits(), name
        wide.shoot(name)
        phone.open(path)
        assert phone.fits(), f"{name} on a phone"
        phone.shoot(f"{name}-phone")
        dark.open(path)
        dark.shoot(f"{name}-dark")

    # The menu of a phone needs the library that the policy lets evaluate.
    phone.open("/admin/")
    phone.page.get_by_text("dock_to_right").locator("visible=true").click()
    expect(phone.page.get_by_role("link", name="History").first).to_be_visible()
    phone.shoot("menu-phone")
    russian = desks(locale="ru-RU")
    for name in ("start", "history", "delivery", "dead-letters", "person"):
        russian.open(pages[name])
        russian.shoot(f"{name}-russian")
    russian.open("/admin/")
    expect(russian.page.get_by_text("Что требует внимания сейчас")).to_be_visible()


def test_moderator_deletes_a_message_and_it_vanishes_from_the_open_chat(
    desks: Any, people: People
) -> None:
    text = f"to be deleted {uuid.uuid4().hex[:8]}"
    said(people, text)
    anna = people.at_desk("anna")
    anna.enter("general")
    anna.sees(text)
    desk = desks()
    desk.open(f"/admin/history/?q={text.split()[-1]}")

    desk.page.locator("input[name=ids]").first.check()
    desk.page.get_by_role("button", name="For the selected …").click()
    expect(desk.page.get_by_text(text)).to_be_visible()
    desk.shoot("act-preview")
    desk.page.locator("textarea[name=why]").fill("an acceptance test")
    desk.page.get_by_role("button", name="Delete", exact=True).click()

    expect(desk.page.get_by_text("done", exact=True)).to_be_visible()
    desk.shoot("acted")
    expect(anna.message(text)).to_have_count(0, timeout=PATIENCE_MS)
    desk.open("/admin/audit/?q=acceptance")
    expect(desk.page.get_by_role("cell", name="message.delete").first).to_be_visible()


def test_bulk_discard_moves_by_itself_and_ends(desks: Any, stack: RunningStack) -> None:
    stack.shell(MAKE_LETTERS.format(script=SCRIPT, key=uuid.uuid4().hex))
    desk = desks()
    desk.open("/admin/dead-letters/?reason=no_room")

    desk.page.locator("select[name=scope]").select_option("all")
    desk.page.get_by_role("button", name="Discard …").click()
    desk.page.locator("textarea[name=why]").fill("an acceptance test")
    desk.page.get_by_role("button", name="Discard", exact=True).click()

    expect(desk.page.get_by_text("finished")).to_be_visible(timeout=PATIENCE_MS)
    expect(desk.page.get_by_role("button", name="Stop here")).to_be_hidden()
    desk.shoot("bulk-discard")
    desk.open("/admin/dead-letters/?reason=no_room")
    expect(desk.page.get_by_text("No dead letter matches.")).to_be_visible()


def test_room_is_verified_and_the_page_moves_by_itself(desks: Any, people: People) -> None:
    people.at_desk("boris").enter("general")  # so that a web process has a hub
    desk = desks()
    desk.open("/admin/delivery/?room=general")

    desk.page.get_by_role("button", name="Verify the delivery").click()

    expect(desk.page.get_by_text("No difference")).to_be_visible(timeout=PATIENCE_MS)
    desk.open("/admin/delivery/")
    expect(desk.page.get_by_text("closed", exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    desk.shoot("delivery-live")


def test_export_shows_its_progress_and_ends_as_a_file(
    desks: Any, people: People, tmp_path: Path
) -> None:
    text = f"=1+1 {uuid.uuid4().hex[:8]}"
    said(people, text)
    desk = desks()
    desk.open("/admin/history/export/?room=general")

    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "history.csv")

    expect(desk.page.get_by_text("The file is in your downloads.")).to_be_visible()
    with (tmp_path / "history.csv").open(newline="", encoding="utf-8") as file:
        assert f"'{text}" in [row["body"] for row in csv.DictReader(file)]
