"""Every page and every state of the chat, as axe-core judges it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from localstack.running_stack import RunningStack
from tests.acceptance.axe import faults
from tests.acceptance.people import PATIENCE_MS, People, Person
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
    boris, anna = people.at_desk("boris"), people.at_desk("anna", color_scheme=scheme)
    text = said("of boris")
    boris.write(text)
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
    anna, boris = people.at_desk("anna", color_scheme=scheme), people.at_desk("boris")
    found(anna, boris)
    page = anna.page
    dialog = page.get_by_test_id("dialog")
    unkind = said("unkind")
    boris.write(unkind)
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
ADMIN = [
    "",
    "history/",
    "history/export/",
    "reports/",
    "dead-letters/",
    "delivery/?room=general",
    "audit/",
    "chat/user/",
    "chat/user/2/change/",
    "chat/room/",
    "chat/room/1/change/",
    "people/2/sessions/",
]
# The theme's own scrolling parts have the same name everywhere.
OF_THE_THEME = (".simplebar-content-wrapper",)


def report_something(people: People) -> None:
    """There is a report in the admin, whatever other tests did about those before."""
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    found(anna, boris)
    text = said("look at this")
    anna.write(text)
    boris.sees(text)
    choose(boris, text, "report")
    boris.page.get_by_test_id("category-spam").check()
    boris.page.get_by_test_id("report-send").click()
    expect(boris.page.get_by_test_id("report-sent")).to_be_visible()


@pytest.mark.timeout(300)  # thirty pages, and axe looks at each
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_pages_of_the_account_the_dashboards_and_the_admin(
    people: People, browser: Browser, stack: RunningStack, scheme: Scheme, viewport: ViewportSize
) -> None:
    report_something(people)
    context = browser.new_context(viewport=viewport, color_scheme=scheme, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    for path in ("login/", "signup/", "password/reset/"):
        page.goto(f"{stack.address}/accounts/{path}")
        is_clean(page)
    page.goto(f"{stack.address}/accounts/login/?next=/accounts/reauthenticate/")
    page.locator("input[name=login]").fill("anna")
    page.locator("input[name=password]").fill(stack.accounts()["anna"])
    page.locator("form button[type=submit]").first.click()
    page.wait_for_url("**/accounts/reauthenticate/")
    is_clean(page)

    for path in PAGES:
        page.goto(f"{stack.address}/accounts/{path}")
        is_clean(page)
    page.goto(f"{stack.address}/analytics/")
    page.wait_for_function(ALL_DRAWN)
    is_clean(page)
    page.goto(f"{stack.address}/there/is/no/such/page/")
    is_clean(page)
    of_admin: list[str] = []
    for path in ADMIN:
        page.goto(f"{stack.address}/admin/{path}")
        of_admin += [f"{path}: {one}" for one in faults(page, without=OF_THE_THEME)]
    page.goto(f"{stack.address}/admin/reports/")
    page.locator("main a[href*='/admin/reports/']").filter(visible=True).first.click()
    page.wait_for_url(re.compile(r"/admin/reports/\d+/"))
    of_admin += [f"a report: {one}" for one in faults(page, without=OF_THE_THEME)]
    assert not of_admin, "\n\n".join(of_admin)
    context.close()
