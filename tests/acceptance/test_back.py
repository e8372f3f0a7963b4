"""The browser's Back: it closes what is in front, and then leads to the previous place."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.acceptance.people import People
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room

PHONE = {"is_mobile": True, "has_touch": True}


def is_in(page: Page, slug: str) -> None:
    page.wait_for_url(f"**/#/{slug}")
    expect(page.locator("[data-testid=room-item][aria-current=page]")).to_have_attribute(
        "data-room-slug", slug
    )


def test_back_closes_the_dialog_and_then_leads_to_the_room_before(people: People) -> None:
    anna = people.at_desk("anna")
    page = anna.page
    dialog = page.get_by_test_id("dialog")
    anna.enter("general")
    room = new_room(anna)
    anna.write("a draft is kept, sent texts as well")
    page.get_by_test_id("composer").fill("not sent yet")

    page.get_by_test_id("room-settings").click()
    expect(dialog).to_be_visible()
    page.go_back()
    expect(dialog).to_have_count(0)
    is_in(page, room)
    expect(page.get_by_test_id("composer")).to_have_value("not sent yet")

    # Closed in another way it leaves nothing in Back's way, however often.
    for _ in range(3):
        page.get_by_test_id("room-settings").click()
        expect(dialog).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    page.go_back()
    is_in(page, "general")
    page.go_forward()
    is_in(page, room)


def test_choice_in_a_dialog_leads_on_and_back_to_where_it_was_opened(people: People) -> None:
    anna = people.at_desk("anna")
    page = anna.page
    first = new_room(anna)
    second = new_room(anna)

    page.keyboard.press("Control+k")
    page.get_by_test_id("jump-query").fill(first)
    page.keyboard.press("Enter")
    is_in(page, first)
    expect(page.get_by_test_id("dialog")).to_have_count(0)
    page.go_back()
    is_in(page, second)
    expect(page.get_by_test_id("dialog")).to_have_count(0)
    page.go_back()
    is_in(page, first)


def test_back_closes_menus_one_by_one_on_a_phone(people: People) -> None:
    anna = people.on_phone("anna", **PHONE)
    page = anna.page
    text = said("on a phone")
    anna.write(text)
    anna.sees_state(text, "stored")
    address = page.url

    page.get_by_test_id("open-menu").tap()
    page.get_by_test_id("account").tap()
    popover = page.get_by_role("dialog", name="Account")
    expect(popover).to_be_visible()
    page.go_back()
    expect(popover).to_have_count(0)
    expect(page.locator(".app.drawer")).to_have_count(1)
    page.go_back()
    expect(page.locator(".app.drawer")).to_have_count(0)

    page.get_by_test_id("presence").tap()
    members = page.get_by_test_id("members")
    expect(members).to_be_visible()
    page.go_back()
    expect(members).to_have_count(0)

    anna.message(text).tap()
    anna.message(text).get_by_test_id("more").tap()
    expect(page.get_by_test_id("menu")).to_be_visible()
    page.go_back()
    expect(page.get_by_test_id("menu")).to_have_count(0)
    anna.message(text).get_by_test_id("react").tap()
    expect(page.get_by_test_id("emoji-picker")).to_be_visible()
    page.go_back()
    expect(page.get_by_test_id("emoji-picker")).to_have_count(0)
    assert page.url == address
    expect(page.get_by_test_id("composer")).to_be_visible()


def test_page_that_is_loaded_again_knows_of_nothing_in_front(people: People) -> None:
    anna = people.at_desk("anna")
    page = anna.page
    anna.enter("general")
    room = new_room(anna)
    page.get_by_test_id("room-settings").click()
    expect(page.get_by_test_id("dialog")).to_be_visible()

    page.reload()
    is_in(page, room)
    expect(page.get_by_test_id("dialog")).to_have_count(0)
    page.go_back()
    is_in(page, "general")
