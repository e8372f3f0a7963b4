"""Names that read from right to left, beside a page that reads from left to right."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.acceptance.people import People
from tests.acceptance.test_conversation import said

NAME = "שיחה!"


def direction(element: Locator) -> str:
    found: str = element.evaluate("e => getComputedStyle(e).direction")
    return found


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_name_from_right_to_left_turns_alone(people: People, width: str) -> None:
    anna = people.at_desk("anna") if width == "desk" else people.on_phone("anna")
    page = anna.page
    name = f"{NAME} {said('')[-8:]}"

    def from_menu(button: str) -> None:
        if width == "phone":
            page.get_by_test_id("open-menu").click()
        page.get_by_test_id(button).click()

    from_menu("create-room")
    field = page.get_by_test_id("new-room-name")
    assert direction(field) == "ltr"
    field.fill(name)
    assert direction(field) == "rtl"
    page.get_by_test_id("create").click()
    title = page.get_by_test_id("room-title")
    expect(title).to_have_text(name)
    assert direction(title) == "rtl"
    anna.write("so that the room is stored")
    anna.sees_state("so that the room is stored", "stored")

    page.get_by_test_id("room-settings").click()
    assert direction(page.get_by_test_id("room-name")) == "rtl"
    page.keyboard.press("Escape")
    from_menu("browse-rooms")
    page.get_by_test_id("room-query").fill(name)
    assert direction(page.get_by_test_id("room-query")) == "rtl"
    found = page.get_by_test_id("public-room").filter(has_text=name)
    assert direction(found.locator("b")) == "rtl"
    assert direction(found) == "ltr"
    page.keyboard.press("Escape")

    page.get_by_test_id("search-messages").click()
    page.get_by_test_id("search-query").fill("stored")
    # In the sentence of the page, and apart from it.
    expect(page.get_by_test_id("search-here")).to_have_text(f"In \u2068{name}\u2069")
