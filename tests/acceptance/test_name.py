"""How people change the name that others see."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.acceptance.people import PATIENCE_MS, People, Person
from tests.acceptance.test_conversation import said


def test_changed_name_is_in_the_chat_when_one_returns_and_others_read_it(people: People) -> None:
    anna, boris = people.on_phone("anna", color_scheme="dark"), people.at_desk("boris")
    page = anna.page
    name, text = said("Anna of"), said("written under the name before")
    anna.write(text)
    anna.sees_state(text, "stored")

    page.get_by_test_id("open-menu").click()
    page.get_by_test_id("account").click()
    page.get_by_test_id("change-name").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Change name").click()
    expect(page.get_by_role("status")).to_have_text(f"Saved. Your name is {name}.")
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
    anna, boris = people.at_desk("anna"), people.on_phone("boris", color_scheme="dark")
    name, text, reply = said("Vera of"), said("who wrote this"), said("and this")
    before = rename(boris, people.address, name)
    boris.page.get_by_role("link", name="Back to the chat").click()
    boris.write(text)
    anna.sees(text)
    expect(anna.message(text)).to_have_accessible_name(re.compile(f"^{re.escape(name)},"))

    other = anna.context.new_page()
    other.goto(f"{people.address}/accounts/name/")
    own = other.get_by_label("Your name").input_value()
    other.get_by_label("Your name").fill(name.upper())
    other.get_by_role("button", name="Change name").click()
    expect(other.get_by_role("status")).to_be_visible()

    # Nobody has loaded a page again.
    for page in (anna, boris):
        expect(page.message(text)).to_have_accessible_name(
            re.compile(f"^{re.escape(name)} @boris,")
        )
    anna.write(reply)
    expect(boris.message(reply)).to_have_accessible_name(
        re.compile(f"^{re.escape(name.upper())} @anna,")
    )
    toggle = anna.page.get_by_test_id("presence")
    if toggle.get_attribute("aria-pressed") == "false":
        toggle.click()
    member = anna.page.locator("[data-testid=member][data-user=boris]")
    expect(member).to_contain_text(f"{name} @boris", timeout=PATIENCE_MS)

    rename(anna, people.address, own)
    rename(boris, people.address, before)


def rename(person: Person, address: str, name: str) -> str:
    """The name that they had before."""
    person.page.goto(f"{address}/accounts/name/")
    field = person.page.get_by_label("Your name")
    before = field.input_value()
    field.fill(name)
    person.page.get_by_role("button", name="Change name").click()
    expect(person.page.get_by_role("status")).to_be_visible()
    return before
