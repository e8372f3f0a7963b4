"""How people make a token for a program, and end it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request

from playwright.sync_api import Page, expect

from localstack.running_stack import RunningStack
from tests.acceptance.people import People, told
from tests.acceptance.test_conversation import said

NO_SIDEWAYS_SCROLLING = (
    "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
)


def who_is(address: str, token: str) -> str | int:
    request = urllib.request.Request(
        f"{address}/api/v1/me", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["username"])
    except urllib.error.HTTPError as refused:
        return refused.code


def confirm(page: Page, password: str) -> None:
    """What the site asks for in between; then it goes on with the form."""
    page.locator("input[name=password]").fill(password)
    page.locator("main form button[type=submit]").first.click()


def test_token_is_made_copied_once_used_and_revoked_on_a_phone(
    people: People, stack: RunningStack
) -> None:
    anna = people.on_phone(
        "anna", anew=True, color_scheme="dark", permissions=["clipboard-read", "clipboard-write"]
    )
    page, name = anna.page, said("bot of")
    page.get_by_test_id("open-menu").click()
    page.get_by_test_id("account").click()
    page.get_by_test_id("tokens").click()

    page.get_by_label("What it is for").fill(name)
    page.get_by_label("write and do what members do").check()
    page.get_by_role("button", name="Make a token").click()
    confirm(page, stack.accounts()["anna"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    token = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"veche_[\w-]{43}", token)
    assert page.evaluate(NO_SIDEWAYS_SCROLLING)
    assert who_is(people.address, token) == "anna"

    expect(page.get_by_role("listitem").filter(has_text=name)).to_contain_text("read, write")
    page.goto(f"{people.address}/accounts/tokens/")
    assert token not in page.content()
    page.get_by_role("button", name=f"Revoke: {name}").click()
    expect(told(page)).to_have_text("Revoked. The token no longer works.")
    expect(page.get_by_text(name)).to_have_count(0)
    assert who_is(people.address, token) == 401


def test_pages_of_tokens_and_sessions_are_in_russian_too(
    people: People, stack: RunningStack
) -> None:
    boris = people.on_phone("boris", anew=True)
    page = boris.page
    page.goto(f"{people.address}/accounts/tokens/")
    page.get_by_role("button", name="Русский").click()

    page.get_by_label("Для чего").fill(said("бот"))
    page.get_by_role("button", name="Создать ключ").click()
    confirm(page, stack.accounts()["boris"])
    expect(told(page)).to_have_text("Скопируйте ключ сейчас: больше он показан не будет.")
    assert page.evaluate(NO_SIDEWAYS_SCROLLING)
    page.goto(f"{people.address}/accounts/sessions/")
    expect(page.get_by_text("отозваны и ваши ключи")).to_be_visible()
    assert page.evaluate(NO_SIDEWAYS_SCROLLING)
