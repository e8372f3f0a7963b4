"""How people change the name that others see."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.acceptance.people import People
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
