"""Mentions: written with completion, shown by their names, counted, and listed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.acceptance.axe import faults
from tests.acceptance.people import People, Person
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def composer(person: Person) -> Locator:
    return person.page.get_by_test_id("composer")


def choice(person: Person, text: str) -> Locator:
    return person.page.locator(f'[data-testid="mention-choice"][data-text="{text}"]')


def chips(person: Person, text: str) -> Locator:
    return person.message(text).get_by_test_id("mention")


def test_name_is_completed_shown_counted_and_listed(people: People) -> None:
    # Nobody has mentioned them yet.
    name = said("mia").replace(" ", "-")
    anna, boris = people.at_desk("anna"), people.newcomer(name)
    general = boris.page.get_by_test_id("room-item").and_(
        boris.page.locator('[data-room-slug="general"]')
    )
    new_room(boris)
    text = said("look at this")

    composer(anna).press_sequentially(f"Hey @{name[:-1]}")
    expect(choice(anna, f"@{name}")).to_have_attribute("aria-selected", "true")
    composer(anna).press("Enter")
    expect(composer(anna)).to_have_value(f"Hey @{name} ")
    composer(anna).press_sequentially(f"{text} `@anna`")
    composer(anna).press("Enter")

    anna.sees_state(text, "stored")
    expect(chips(anna, text)).to_have_count(1)
    expect(general.get_by_test_id("room-mentions")).to_have_attribute("data-count", "1")
    expect(boris.page).to_have_title(f"@1 {boris.page.title().split(' ', 1)[1]}")
    boris.page.reload()
    expect(general.get_by_test_id("room-mentions")).to_have_attribute("data-count", "1")

    boris.page.get_by_test_id("mentions-item").click()
    boris.page.get_by_test_id("mentioning").filter(has_text=text).click()
    expect(boris.message(text)).to_have_attribute("data-named", "true")
    expect(chips(boris, text)).to_have_class("mention mine")
    expect(general.get_by_test_id("room-mentions")).to_have_count(0)


def test_everybody_is_mentioned_after_a_word_of_how_many(people: People) -> None:
    anna = people.at_desk("anna")
    text = said("all hands")

    composer(anna).fill(f"@here {text}")
    expect(anna.page.get_by_test_id("calls-all")).to_have_attribute(
        "data-people", re.compile(r"^\d+$")
    )
    composer(anna).fill(f"`@here` {text}")

    expect(anna.page.get_by_test_id("calls-all")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_menu_and_list_are_accessible_and_fit_a_phone(people: People, theme: str) -> None:
    anna = people.on_phone("anna", color_scheme=theme)
    composer(anna).press_sequentially("@")
    expect(anna.page.get_by_test_id("mention-menu")).to_be_visible()
    assert faults(anna.page) == []
    composer(anna).press("Escape")
    expect(anna.page.get_by_test_id("mention-menu")).to_have_count(0)
    expect(composer(anna)).to_have_value("@")
    composer(anna).fill("")

    anna.page.goto(anna.page.url.split("#")[0] + "#mentions")
    expect(anna.page.get_by_test_id("mentions")).to_be_visible()
    assert faults(anna.page) == []
    assert not anna.page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_somebody_outside_the_room_is_offered_an_invitation(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    new_room(anna)
    text = said("welcome")

    composer(anna).press_sequentially("@boris")
    choice(anna, "@boris").click()
    expect(anna.page.get_by_test_id("mention-outside")).to_be_visible()
    anna.page.get_by_test_id("mention-invite").click()
    expect(anna.page.get_by_test_id("mention-outside")).to_have_count(0)
    composer(anna).press_sequentially(text)
    composer(anna).press("Enter")

    expect(chips(anna, text)).to_have_count(1)
    expect(boris.page.get_by_test_id("mentions-unread")).to_be_visible()
