"""Every page and every state of the chat, as axe-core judges it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from localstack.running_stack import RunningStack
from tests.acceptance.axe import faults
from tests.acceptance.desk import Desk
from tests.acceptance.people import People, Person, post
from tests.acceptance.test_admin import MAKE_LETTERS, SCRIPT
from tests.acceptance.test_analytics import ALL_DRAWN
from tests.acceptance.test_conversation import said
from tests.acceptance.test_moderation_ui import act_on, choose, found

Scheme = Literal["light", "dark"]
DESK: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
# Everything that Markdown makes, and what scrolls sideways.
TEXT = f"""# Title
`code`, **bold**, *italic*, https://example.com
```python
{"a_long_name = " * 40}
```
> a quote

| one | {"two " * 40} |
|-----|-----|
| 1   | 2   |

1. a list"""


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    chosen: Scheme = request.param
    return chosen


@pytest.fixture
def reader(people: People, scheme: Scheme) -> Person:
    """Anna at her desk, in a room in which things were said."""
    anna = people.at_desk("anna", color_scheme=scheme)
    text = said("of boris")
    people.post("boris", text)
    anna.write(TEXT)
    mine = said("of anna")
    anna.write(mine)
    anna.sees_state(mine, "stored")
    anna.sees(text)
    return anna


def is_clean(page: Page) -> None:
    found = faults(page)
    assert not found, "\n\n".join(found)


def test_chat_and_what_opens_in_it(reader: Person) -> None:
    page = reader.page
    own = page.get_by_test_id("message").last
    is_clean(page)

    own.hover()
    is_clean(page)
    own.get_by_test_id("more").click()
    expect(page.get_by_test_id("menu")).to_be_visible()
    is_clean(page)
    page.keyboard.press("Escape")

    own.hover()
    own.get_by_test_id("react").click()
    is_clean(page)
    page.get_by_test_id("emoji-picker").get_by_role("button").first.click()
    expect(own.get_by_test_id("reaction")).to_be_visible()
    own.hover()
    own.get_by_test_id("reply").click()
    is_clean(page)
    page.keyboard.press("Escape")
    own.hover()
    own.get_by_test_id("edit").click()
    is_clean(page)
    page.keyboard.press("Escape")

    page.get_by_test_id("account").click()
    is_clean(page)
    page.keyboard.press("Escape")
    page.goto("/".join([*page.url.split("/")[:3], "#", "nowhere"]))
    expect(page.get_by_text("Nothing here")).to_be_visible()
    is_clean(page)


def test_each_dialog(reader: Person) -> None:
    page = reader.page
    own = page.get_by_test_id("message").last
    theirs = page.locator("[data-testid=message]:not([data-author='1'])").last

    def of_message(button: str, item: str | None = None) -> Callable[[], None]:
        def opens() -> None:
            message = theirs if item == "menu-report" else own
            message.hover()
            message.get_by_test_id(button).click()
            if item:
                page.get_by_test_id(item).click()

        return opens

    def by(button: str) -> Callable[[], None]:
        return lambda: page.get_by_test_id(button).click()

    def of_account(item: str) -> Callable[[], None]:
        def opens() -> None:
            page.get_by_test_id("account").click()
            page.get_by_test_id(item).click()

        return opens

    def searched() -> None:
        page.get_by_test_id("search-messages").click()
        page.get_by_test_id("search-query").fill("anna")
        expect(page.get_by_test_id("search-result").first).to_be_visible()

    def jumped() -> None:
        page.get_by_test_id("find-room").click()
        page.get_by_test_id("jump-query").fill("b")
        expect(page.get_by_test_id("place").first).to_be_visible()

    for opens in (
        jumped,
        searched,
        by("search-messages"),
        by("go-to-date"),
        by("browse-rooms"),
        by("create-room"),
        by("new-direct"),
        by("invite"),
        by("room-settings"),
        of_message("delete"),
        of_message("more", "menu-report"),
        of_account("my-reports"),
        of_account("keys"),
    ):
        opens()
        expect(page.get_by_test_id("dialog")).to_be_visible()
        is_clean(page)
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("dialog")).to_have_count(0)


def test_chat_on_a_phone(people: People, scheme: Scheme) -> None:
    anna = people.on_phone("anna", color_scheme=scheme, is_mobile=True, has_touch=True)
    page = anna.page
    anna.write(TEXT)
    text = said("of anna")
    anna.write(text)
    anna.sees_state(text, "stored")
    is_clean(page)

    anna.message(text).tap()
    is_clean(page)
    anna.message(text).get_by_test_id("more").tap()
    is_clean(page)
    page.keyboard.press("Escape")
    page.get_by_test_id("presence").tap()
    expect(page.get_by_test_id("members")).to_be_visible()
    is_clean(page)
    page.keyboard.press("Escape")
    page.get_by_test_id("open-menu").tap()
    is_clean(page)
    page.get_by_test_id("account").tap()
    is_clean(page)


def test_dialogs_of_those_who_keep_order(people: People, scheme: Scheme) -> None:
    anna = people.at_desk("anna", color_scheme=scheme)
    page = anna.page
    name = said("in order")
    page.get_by_test_id("create-room").click()
    page.get_by_test_id("new-room-name").fill(name)
    page.get_by_test_id("create").click()
    expect(page.get_by_test_id("room-title")).to_have_text(name)
    is_clean(page)

    for further in ("open-reports", "open-audit"):
        page.get_by_test_id("room-settings").click()
        page.get_by_test_id(further).click()
        expect(page.get_by_test_id("dialog")).to_be_visible()
        is_clean(page)
        page.keyboard.press("Escape")

    for asked in ("leave", "archive"):
        page.get_by_test_id("room-settings").click()
        page.get_by_test_id(asked).click()
        expect(page.get_by_test_id("confirm")).to_be_visible()
        is_clean(page)
        page.keyboard.press("Escape")


@pytest.mark.timeout(300)  # a dozen dialogs, and axe looks at each
def test_dialogs_about_somebody_and_what_they_wrote(people: People, scheme: Scheme) -> None:
    anna = people.at_desk("anna", color_scheme=scheme)
    found(anna)
    page = anna.page
    dialog = page.get_by_test_id("dialog")
    unkind = said("unkind")
    people.post("boris", unkind, room=unquote(page.url.rpartition("#/")[2]))
    anna.sees(unkind)

    for act in ("member.role", "member.mute", "member.remove", "member.ban"):
        act_on(anna, "boris", act)
        expect(page.get_by_test_id("act-preview")).to_be_visible()
        is_clean(page)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    choose(anna, unkind, "message.delete")
    expect(page.get_by_test_id("act-preview")).to_be_visible()
    is_clean(page)
    page.keyboard.press("Escape")

    anna.message(unkind).hover()
    anna.message(unkind).get_by_test_id("react").click()
    page.get_by_test_id("emoji-picker").get_by_role("button").first.click()
    choose(anna, unkind, "who-reacted")
    expect(page.get_by_test_id("reacted")).to_be_visible()
    is_clean(page)
    page.keyboard.press("Escape")

    choose(anna, unkind, "report")
    page.get_by_test_id("category-spam").check()
    page.get_by_test_id("report-note").fill("not the first time")
    page.get_by_test_id("report-send").click()
    expect(page.get_by_test_id("report-sent")).to_be_visible()
    is_clean(page)
    page.get_by_test_id("report-done").click()
    page.get_by_test_id("account").click()
    page.get_by_test_id("my-reports").click()
    expect(page.get_by_test_id("my-report").first).to_be_visible()
    is_clean(page)
    page.keyboard.press("Escape")
    page.get_by_test_id("room-reports").click()
    expect(page.get_by_test_id("report")).to_be_visible()
    is_clean(page)
    for how in ("resolve", "dismiss"):
        page.get_by_test_id(how).click()
        expect(page.get_by_test_id("confirm")).to_be_visible()
        is_clean(page)
        dialog.get_by_role("button", name="Cancel").click()
    page.get_by_test_id("dismiss").click()
    page.get_by_test_id("report-answer").fill("It was a joke.")
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("no-reports")).to_be_visible()
    page.get_by_test_id("reports-closed").click()
    expect(page.get_by_test_id("report")).to_be_visible()
    is_clean(page)
    page.keyboard.press("Escape")

    act_on(anna, "boris", "member.ban")
    page.get_by_test_id("act-reason").fill("joking")
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("banned")).to_be_visible()
    is_clean(page)
    page.get_by_test_id("unban").click()
    expect(page.get_by_test_id("act-preview")).to_be_visible()
    is_clean(page)


PAGES = [
    "name/",
    "email/",
    "password/change/",
    "2fa/",
    "2fa/totp/activate/",
    "sessions/",
    "tokens/",
    "logout/",
]
ADMIN = {
    "start": "",
    "history": "history/",
    "search": "history/?q=onerror",
    "export": "history/export/",
    "reports": "reports/",
    "dead-letters": "dead-letters/",
    "delivery": "delivery/?room=general",
    "audit": "audit/",
    "people": "chat/user/",
    "person": "chat/user/2/change/",
    "rooms": "chat/room/",
    "room": "chat/room/1/change/",
    "sessions": "people/2/sessions/",
}
# The page behind the first such link of another one.
LED_TO = {
    "search": ("message", "main a:text-matches('^[0-9]{4}-')", ""),
    "reports": ("report", "td a[href^='/admin/reports/']", ""),
    "dead-letters": ("dead-letter", "td a[href^='/admin/dead-letters/']", "?payload=1"),
}
# The theme's own scrolling parts have the same name everywhere.
OF_THE_THEME = (".simplebar-content-wrapper",)
REPORT = """
from chat.actions import reports
from chat.actions.event_loop import run_actions
from chat.models import Message, User

message = Message.objects.get(body={text!r})
reporter = User.objects.get(username="anna").pk
run_actions(reports.report_message(reporter, message.room_id, message.seq, "spam"))
"""


@pytest.fixture(scope="module")
def something_in_the_admin(stack: RunningStack) -> None:
    """A message with a report of it, and dead letters; what stands in them must never run."""
    text = f"{SCRIPT} {said('look at this')}"
    post(stack, "boris", text)
    stack.shell(REPORT.format(text=text))
    stack.shell(MAKE_LETTERS.format(script=SCRIPT, key=uuid.uuid4().hex))


@pytest.mark.timeout(300)  # thirty pages, and axe looks at each
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.usefixtures("something_in_the_admin")
def test_pages_of_the_account_the_dashboards_and_the_admin(
    desks: Any, stack: RunningStack, scheme: Scheme, viewport: ViewportSize
) -> None:
    desk: Desk = desks(viewport, scheme, anew=True)
    page = desk.page
    for path in ("login/", "signup/", "password/reset/"):
        desk.open(f"/accounts/{path}")
        is_clean(page)
    desk.sign_in("anna", stack.accounts()["anna"], then="/accounts/reauthenticate/")
    is_clean(page)

    for path in PAGES:
        desk.open(f"/accounts/{path}")
        is_clean(page)
        assert desk.fits(), path
        desk.shoot(f"{path.replace('/', '-')}{viewport['width']}-{scheme}")
    desk.open("/analytics/")
    page.wait_for_function(ALL_DRAWN)
    is_clean(page)
    page.goto(f"{stack.address}/there/is/no/such/page/")
    is_clean(page)

    of_admin: list[str] = []

    def look(name: str) -> None:
        of_admin.extend(f"{name}: {one}" for one in faults(page, without=OF_THE_THEME))
        assert page.title() != "run", name
        assert desk.fits(), name
        desk.shoot(f"{name}-{viewport['width']}-{scheme}")

    for name, path in ADMIN.items():
        desk.open(f"/admin/{path}")
        look(name)
        if name in LED_TO:
            further, link, query = LED_TO[name]
            desk.open(f"{page.locator(link).first.get_attribute('href')}{query}")
            look(further)
    assert not of_admin, "\n\n".join(of_admin)
