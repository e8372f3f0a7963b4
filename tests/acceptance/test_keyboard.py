"""The chat by keyboard, and to people who hear it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

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
    order = slugs(anna.page, "[data-testid=room-item]")
    assert {first, second, "general"} <= set(order)

    at = order.index(second)
    composer.press("Alt+ArrowUp")
    is_in(anna.page, order[at - 1])
    composer.press("Alt+ArrowDown")
    is_in(anna.page, second)

    boris.write(said("news in general"))
    expect(anna.page.locator("[data-room-slug=general] [data-testid=unread]")).to_be_visible()
    # Tests before this one may have left news elsewhere.
    news = slugs(anna.page, "[data-testid=room-item]:has([data-testid=unread])")
    upwards = [*reversed(order[:at]), *reversed(order[at + 1 :])]
    way = [slug for slug in upwards if slug in news]
    for slug in way[: way.index("general") + 1]:
        composer.press("Alt+Shift+ArrowUp")
        is_in(anna.page, slug)


def slugs(page: Page, selector: str) -> list[str]:
    """The addresses of the rooms in the sidebar, in its order."""
    found: list[str] = page.locator(selector).evaluate_all(
        "items => items.map((item) => item.dataset.roomSlug)"
    )
    return found


def is_in(page: Page, slug: str) -> None:
    expect(page.locator("[data-testid=room-item][aria-current=page]")).to_have_attribute(
        "data-room-slug", slug
    )
    expect(page.get_by_test_id("composer")).to_be_focused()


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
