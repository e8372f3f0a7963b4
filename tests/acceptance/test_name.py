"""How people change the name that others see."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.acceptance.people import PATIENCE_MS, People, Person, told
from tests.acceptance.test_conversation import said


def test_changed_name_is_in_the_chat_when_one_returns_and_others_read_it(people: People) -> None:
    vera = people.newcomer_on_phone(said("vera").replace(" ", "-"), color_scheme="dark")
    boris = people.at_desk("boris")
    page = vera.page
    name, text = said("Vera of"), said("written under the name before")
    vera.write(text)
    vera.sees_state(text, "stored")

    page.get_by_test_id("open-menu").click()
    page.get_by_test_id("account").click()
    page.get_by_test_id("change-name").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Change name").click()
    expect(told(page)).to_have_text(f"Saved. Your name is {name}.")
    page.get_by_role("link", name="Back to the chat").click()

    page.get_by_test_id("open-menu").click()
    expect(page.get_by_test_id("account")).to_contain_text(name)
    boris.page.reload()
    boris.enter("general")
    # Of several messages in a row the first alone shows the name; each has it for screen readers.
    expect(boris.message(text)).to_have_accessible_name(re.compile(f"^{name},"))


def test_name_of_somebody_else_is_shown_with_the_user_name_on_pages_that_are_open(
    people: People,
) -> None:
    vera = people.newcomer_on_phone(said("vera").replace(" ", "-"), color_scheme="dark")
    ivan = people.newcomer(said("ivan").replace(" ", "-"))
    name, text, reply = said("Vera of"), said("who wrote this"), said("and this")
    rename(vera, people.address, name)
    vera.page.get_by_role("link", name="Back to the chat").click()
    vera.write(text)
    ivan.sees(text)
    expect(ivan.message(text)).to_have_accessible_name(re.compile(f"^{re.escape(name)},"))

    other = ivan.context.new_page()
    other.goto(f"{people.address}/accounts/name/")
    other.get_by_label("Your name").fill(name.upper())
    other.get_by_role("button", name="Change name").click()
    expect(told(other)).to_be_visible()

    # Nobody has loaded a page again.
    for person in (ivan, vera):
        expect(person.message(text)).to_have_accessible_name(
            re.compile(f"^{re.escape(name)} @{vera.name},")
        )
    ivan.write(reply)
    expect(vera.message(reply)).to_have_accessible_name(
        re.compile(f"^{re.escape(name.upper())} @{ivan.name},")
    )
    toggle = ivan.page.get_by_test_id("presence")
    if toggle.get_attribute("aria-pressed") == "false":
        toggle.click()
    member = ivan.page.locator(f"[data-testid=member][data-user={vera.name}]")
    expect(member).to_contain_text(f"{name} @{vera.name}", timeout=PATIENCE_MS)


def rename(person: Person, address: str, name: str) -> None:
    person.page.goto(f"{address}/accounts/name/")
    person.page.get_by_label("Your name").fill(name)
    person.page.get_by_role("button", name="Change name").click()
    expect(told(person.page)).to_be_visible()
