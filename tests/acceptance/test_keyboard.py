"""The chat by keyboard, and to people who hear it."""

from __future__ import annotations

import time

from playwright.sync_api import Browser, Page, expect

from localstack.running_stack import RunningStack
from tests.acceptance.people import PATIENCE_MS, People
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def test_alt_and_arrows_go_through_rooms_and_with_shift_through_those_with_news(
    people: People,
) -> None:
    anna = people.at_desk("anna")
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

    people.post("boris", said("news in general"))
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


def test_list_of_rooms_is_one_stop_and_arrows_go_through_it(people: People) -> None:
    anna = people.at_desk("anna")
    new_room(anna)
    anna.enter("general")
    page = anna.page
    items = page.get_by_test_id("room-item")
    stops = "items => items.filter((item) => item.tabIndex >= 0).map((i) => i.dataset.roomSlug)"
    order = slugs(page, "[data-testid=room-item]")
    assert items.evaluate_all(stops) == slugs(page, "[data-testid=room-item][aria-current=page]")

    items.first.focus()
    page.keyboard.press("ArrowDown")
    expect(items.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(items.last).to_be_focused()
    assert items.evaluate_all(stops) == [order[-1]]
    page.keyboard.press("Home")
    heading = page.get_by_test_id("group").first
    expect(heading).to_be_focused()
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    is_in(page, order[0])


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
    anna = people.at_desk("anna")
    before, news = said("there before"), said("just said")
    people.post("boris", before)
    anna.sees(before)
    anna.page.reload()
    anna.sees(before)
    announcement = anna.page.get_by_test_id("announcement")
    expect(announcement).to_be_empty()
    expect(anna.page.get_by_test_id("message-list")).to_have_attribute("aria-live", "off")

    people.post("boris", news)

    expect(announcement).to_contain_text(news)


# The browser itself stops at what scrolls sideways, which is in messages of other tests too.
STOPS = """() => {
    const list = document.querySelector("[data-testid=message-list]");
    return [list, ...list.querySelectorAll("*")]
        .filter((one) => one.tabIndex >= 0 && !one.matches("pre, table"))
        .map((one) => one.outerHTML.slice(0, 300));
}"""
CODE = f"```\n{'wide ' * 60}\n```"


def test_list_of_messages_is_one_stop_and_arrows_go_through_it(people: People) -> None:
    anna = people.at_desk("anna")
    first, code, last = said("https://example.com/1"), f"{said('code')}\n{CODE}", said("the last")
    people.post("boris", first, code, last)
    anna.sees(last)
    page = anna.page
    page.get_by_test_id("composer").focus()

    page.keyboard.press("Shift+Tab")
    expect(anna.message(last)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(anna.message(first)).to_be_focused()
    # Through what is in it, as far as the code of the next one that scrolls by arrows itself.
    page.keyboard.press("ArrowRight")
    expect(anna.message(first).get_by_role("link")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    block = page.locator("pre:focus")
    expect(block).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(block).to_have_count(1)
    expect(block).not_to_have_js_property("scrollLeft", 0)
    page.keyboard.press("Escape")
    expect(anna.message(code.split("\n")[0])).to_be_focused()

    # Out of it by one key, and back to where one was, in both directions.
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("composer")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(anna.message(code.split("\n")[0])).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_test_id("room-settings")).to_be_focused()
    page.keyboard.press("Tab")
    expect(anna.message(code.split("\n")[0])).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("composer")).to_be_focused()
    stops = page.evaluate(STOPS)
    assert len(stops) == 1, stops


def test_letters_are_keys_of_a_message_only_when_keys_led_to_it(people: People) -> None:
    anna = people.at_desk("anna")
    theirs, mine = said("of boris"), said("of anna")
    people.post("boris", theirs)
    anna.sees(theirs)
    anna.write(mine)
    anna.sees_state(mine, "stored")
    page = anna.page
    composer = page.get_by_test_id("composer")

    anna.message(mine).click()
    page.keyboard.press("e")
    expect(composer).to_have_value("")
    page.keyboard.press("ArrowUp")
    expect(anna.message(theirs)).to_be_focused()
    # The key where R is in Latin.
    page.evaluate(
        """() => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key: "к", code: "KeyR", bubbles: true}))"""
    )
    expect(page.get_by_test_id("cancel-reply")).to_be_visible()
    expect(composer).to_be_focused()


def test_older_messages_come_by_arrow_and_the_focus_stays_while_others_write(
    people: People,
) -> None:
    anna = people.at_desk("anna")
    room = new_room(anna)
    lines = [said(f"line {number}") for number in range(200)]
    people.post("anna", *lines, room=room)
    anna.page.reload()
    page, oldest = anna.page, anna.message(lines[0])
    expect(anna.message(lines[-1])).to_be_in_viewport()
    expect(oldest).to_have_count(0)
    page.get_by_test_id("composer").focus()
    page.keyboard.press("Shift+Tab")

    patience = time.monotonic() + PATIENCE_MS / 1_000
    while oldest.count() == 0 and time.monotonic() < patience:
        page.keyboard.press("Home")
        page.keyboard.press("ArrowUp")
        expect(page.locator("[data-row-key]:focus")).to_have_count(1)
    page.keyboard.press("Home")
    expect(oldest).to_be_focused()
    # Nothing of it was read out.
    expect(page.get_by_test_id("announcement")).to_be_empty()

    people.post("boris", said("news"), room=room)
    expect(page.get_by_test_id("jump-latest")).to_contain_text("1 new message")
    expect(oldest).to_be_focused()


def test_everything_is_done_without_a_mouse(
    browser: Browser, stack: RunningStack, people: People
) -> None:
    # Nobody's rooms but their own stand in the way of Tab.
    user = said("dina").replace(" ", "-")
    password = people.make_account(user)
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    keys = page.keyboard

    def reach(selector: str, key: str = "Tab") -> None:
        for _ in range(60):
            if page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
                return
            keys.press(key)
        raise AssertionError(f"{key} does not come to {selector}")

    # Signing in.
    page.goto(f"{stack.address}/accounts/login/")
    reach("input[name=login]")
    keys.type(user)
    reach("input[name=password]")
    keys.type(password)
    keys.press("Enter")
    composer = page.get_by_test_id("composer")
    expect(composer).to_be_focused(timeout=PATIENCE_MS)

    # A room of one's own.
    name = said("by keys")
    reach("[data-testid=create-room]")
    keys.press("Enter")
    reach("[data-testid=new-room-name]")
    keys.type(name)
    keys.press("Enter")
    expect(page.get_by_test_id("room-title")).to_have_text(name)
    expect(composer).to_be_focused()

    # Writing, then a reply, a reaction, an edit and a deletion.
    keys.type("frist")
    keys.press("Enter")
    message = page.get_by_test_id("message").filter(has_text="frist")
    expect(message).to_have_attribute("data-state", "stored")
    keys.press("Shift+Tab")
    expect(message).to_be_focused()
    keys.press("+")
    keys.press("Enter")
    expect(message.get_by_test_id("reaction")).to_have_attribute("aria-pressed", "true")
    expect(message).to_be_focused()
    keys.press("r")
    keys.type("an answer")
    keys.press("Enter")
    answer = page.get_by_test_id("message").filter(has_text="an answer")
    expect(answer.get_by_test_id("quote")).to_contain_text("frist")
    expect(answer).to_have_attribute("data-state", "stored")
    keys.press("Shift+Tab")
    keys.press("ArrowUp")
    keys.press("e")
    keys.press("ControlOrMeta+a")
    keys.type("first")
    keys.press("Enter")
    edited = page.get_by_test_id("message").filter(has_text="first").first
    expect(edited).to_contain_text("edited")
    keys.press("Shift+Tab")
    keys.press("End")
    expect(answer).to_be_focused()
    keys.press("Delete")
    expect(page.get_by_test_id("dialog")).to_be_visible()
    keys.press("Enter")
    expect(page.get_by_text("This message was deleted")).to_be_visible()

    # The menu of a message, looking for one, another room, somebody to write to.
    keys.press("ArrowUp")
    expect(edited).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_test_id("menu-copy")).to_be_focused()
    keys.press("Escape")
    keys.press("Control+Shift+F")
    keys.type("first")
    expect(page.get_by_test_id("search-result").first).to_be_visible()
    keys.press("Escape")
    keys.press("Control+k")
    keys.type("general")
    keys.press("Enter")
    expect(page.get_by_test_id("room-title")).to_have_text("General")
    expect(composer).to_be_focused()
    keys.press("Control+k")
    keys.type("boris")
    expect(page.get_by_test_id("dialog").get_by_text("@boris")).to_be_visible()
    keys.press("Enter")
    expect(page.get_by_test_id("room-title")).to_have_text("Boris")
    expect(composer).to_be_focused()

    # The account, and out.
    reach("[data-testid=account]", "Shift+Tab")
    keys.press("Enter")
    reach("[data-testid=sign-out]", "ArrowDown")
    keys.press("Enter")
    page.wait_for_url("**/accounts/**")
    context.close()
