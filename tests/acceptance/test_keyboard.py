"""The chat by keyboard, and to people who hear it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.acceptance.people import People
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def test_alt_and_arrows_go_through_rooms_and_with_shift_through_those_with_news(
    people: People,
) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    first = new_room(anna)
    second = new_room(anna)
    composer = anna.page.get_by_test_id("composer")
    order = [
        item.get_attribute("data-room-slug") for item in anna.page.get_by_test_id("room-item").all()
    ]
    assert {first, second, "general"} <= set(order)

    at = order.index(second)
    composer.press("Alt+ArrowUp")
    expect(anna.page).to_have_url(f"{people.address}/#/{order[at - 1]}")
    composer.press("Alt+ArrowDown")
    expect(anna.page).to_have_url(f"{people.address}/#/{second}")

    # Others have news of tests before this one: on the way up it is the first.
    boris.write(said("news in general"))
    expect(anna.page.locator("[data-room-slug=general] [data-testid=unread]")).to_be_visible()
    for item in anna.page.locator("[data-testid=room-item]:has([data-testid=unread])").all():
        if item.get_attribute("data-room-slug") != "general":
            item.click()
            expect(item.get_by_test_id("unread")).to_have_count(0)
    anna.enter(second)
    composer.press("Alt+Shift+ArrowUp")
    expect(anna.page).to_have_url(f"{people.address}/#/general")


def test_question_mark_shows_the_keys_and_in_a_text_is_a_question_mark(people: People) -> None:
    anna = people.at_desk("anna", color_scheme="dark")
    composer = anna.page.get_by_test_id("composer")

    composer.press_sequentially("who?")
    expect(composer).to_have_value("who?")
    expect(anna.page.get_by_test_id("key-sheet")).to_have_count(0)
    composer.evaluate("e => e.blur()")
    anna.page.keyboard.press("?")

    expect(anna.page.get_by_test_id("key-sheet")).to_contain_text("Next room")
    anna.page.keyboard.press("Escape")
    expect(anna.page.get_by_test_id("dialog")).to_have_count(0)


def test_new_messages_are_read_out_and_those_that_were_there_are_not(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    before, news = said("there before"), said("just said")
    boris.write(before)
    anna.sees(before)
    anna.page.reload()
    anna.sees(before)
    announcement = anna.page.get_by_test_id("announcement")
    expect(announcement).to_be_empty()
    expect(anna.page.get_by_test_id("message-list")).to_have_attribute("aria-live", "off")

    boris.write(news)

    expect(announcement).to_contain_text(news)
