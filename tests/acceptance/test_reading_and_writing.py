"""What people expect of a chat while they read, write and find their way with the keyboard."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from localstack.running_stack import RunningStack
from tests.acceptance.people import People
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def test_writing_several_lines_keeps_the_newest_message_in_view(people: People) -> None:
    anna = people.at_desk("anna")
    room = new_room(anna)
    lines = [said(f"line {number} that fills the window") for number in range(30)]
    people.post("boris", *lines, room=room)
    expect(anna.message(lines[-1])).to_be_in_viewport()
    composer = anna.page.get_by_test_id("composer")

    composer.press_sequentially("one")
    for _ in range(6):
        composer.press("Shift+Enter")
    composer.press_sequentially("seven")
    news = said("said while anna writes")
    people.post("boris", news, room=room)

    expect(anna.message(news)).to_be_in_viewport()
    expect(anna.page.get_by_test_id("message-list")).to_have_attribute("data-at-end", "true")


def test_a_long_message_is_edited_in_a_box_that_shows_all_of_it(people: People) -> None:
    anna = people.at_desk("anna")
    text = said("one\ntwo\nthree\nfour")
    anna.write(text)
    last = text.splitlines()[-1]
    anna.sees_state(last, "stored")
    composer = anna.page.get_by_test_id("composer")

    composer.press("ArrowUp")

    expect(composer).to_have_value(text)
    expect(composer).to_have_js_property("scrollHeight", composer.evaluate("e => e.clientHeight"))


def test_a_message_emptied_in_an_edit_is_deleted_once_that_is_confirmed(people: People) -> None:
    anna = people.at_desk("anna")
    text = said("better not said")
    anna.write(text)
    anna.sees_state(text, "stored")
    composer = anna.page.get_by_test_id("composer")

    composer.press("ArrowUp")
    expect(composer).to_have_value(text)
    composer.fill("")
    composer.press("Enter")
    anna.page.get_by_test_id("confirm").click()

    expect(anna.message(text)).to_have_count(0)


def test_message_is_sent_from_a_browser_that_can_keep_nothing(people: People) -> None:
    anna = people.at_desk("anna")
    composer = anna.page.get_by_test_id("composer")
    before = said("written before")
    anna.write(before)
    anna.sees_state(before, "stored")
    text = said("written on a full disk")
    anna.page.evaluate(
        """() => { IDBObjectStore.prototype.put = () => {
            throw new DOMException("no room", "QuotaExceededError");
        } }"""
    )
    anna.context.set_offline(True)

    anna.write(text)
    expect(anna.message(text)).to_be_visible()
    expect(anna.page.get_by_test_id("not-kept")).to_be_visible()
    expect(composer).to_have_value("")
    anna.context.set_offline(False)

    anna.sees_state(text, "stored")
    expect(anna.page.get_by_test_id("not-kept")).to_have_count(0)


def test_members_and_bans_are_not_asked_for_at_each_message(people: People) -> None:
    owner = people.at_desk("anna")
    expect(owner.page.get_by_test_id("member").first).to_be_visible()
    asked: list[str] = []
    owner.page.on("request", lambda request: asked.append(request.url))

    for number in range(5):
        text = said(f"news {number}")
        people.post("boris", text)
        owner.sees_state(text, "stored")

    assert [url for url in asked if "/members" in url or "/bans" in url] == []


def test_copied_link_leads_to_the_message_on_the_same_page(people: People) -> None:
    anna = people.at_desk("anna", permissions=["clipboard-read", "clipboard-write"])
    boris = people.at_desk("boris")
    text = said("the one to look at")
    anna.write(text)
    anna.sees_state(text, "stored")

    anna.message(text).hover()
    anna.message(text).get_by_test_id("more").click()
    anna.page.get_by_test_id("menu-link").click()
    link = anna.page.evaluate("navigator.clipboard.readText()")
    anna.write(f"See {link}")
    boris.page.get_by_role("link", name=link, exact=True).click()

    assert boris.page.url == link
    assert len(boris.context.pages) == 1
    # The other one quotes it.
    body = boris.page.get_by_test_id("message-body").filter(has_text=text)
    expect(body).to_be_in_viewport()


def test_link_to_a_message_leads_there_again_when_one_has_scrolled_away(people: People) -> None:
    anna = people.at_desk("anna")
    text = said("far up")
    anna.write(text)
    anna.sees_state(text, "stored")
    seq = anna.message(text).get_attribute("data-seq")
    people.post("anna", *(said(f"line {number} below it") for number in range(30)))
    link = f"{people.address}/#/general/{seq}"
    anna.write(f"See {link}")

    body = anna.page.get_by_test_id("message-body").filter(has_text=text)

    for _ in range(2):
        anna.page.get_by_role("link", name=link, exact=True).click()
        expect(body).to_be_in_viewport()
        anna.page.get_by_test_id("jump-latest").click()
        expect(body).not_to_be_in_viewport()


def test_link_to_a_message_is_kept_while_one_signs_in(people: People, stack: RunningStack) -> None:
    anna = people.at_desk("anna")
    text = said("for whoever is not signed in")
    anna.write(text)
    anna.sees_state(text, "stored")
    link = f"{people.address}/#/general/{anna.message(text).get_attribute('data-seq')}"

    anna.context.clear_cookies()
    anna.page.goto("about:blank")
    anna.page.goto(link)
    for password in ("mistyped", stack.accounts()["anna"]):
        anna.page.locator("input[name=login]").fill("anna")
        anna.page.locator("input[name=password]").fill(password)
        anna.page.get_by_role("button", name="Sign in").click()

    expect(anna.message(text)).to_be_in_viewport()
    assert anna.page.url == link


def test_dialog_gives_the_focus_back_to_what_opened_it(people: People) -> None:
    anna = people.at_desk("anna")
    settings = anna.page.get_by_test_id("room-settings")

    settings.press("Enter")
    expect(anna.page.get_by_test_id("dialog")).to_be_visible()
    anna.page.keyboard.press("Escape")

    expect(anna.page.get_by_test_id("dialog")).to_have_count(0)
    expect(settings).to_be_focused()


def test_dialogs_come_later_than_the_page_and_open_without_the_server(people: People) -> None:
    anna = people.at_desk("anna")
    with anna.page.expect_response(re.compile(r"/Dialogs\.[^/]+\.js$")):
        anna.page.reload()
    anna.page.wait_for_load_state("networkidle")

    anna.goes_offline()
    anna.page.get_by_test_id("find-room").click()

    expect(anna.page.get_by_test_id("jump-query")).to_be_focused()


def test_selection_dragged_out_of_a_field_does_not_close_the_dialog(people: People) -> None:
    anna = people.at_desk("anna")
    anna.page.get_by_test_id("search-messages").click()
    field = anna.page.locator("#search-query")
    field.fill("words that took some time")
    box = field.bounding_box()
    assert box is not None

    anna.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    anna.page.mouse.down()
    anna.page.mouse.move(5, 5)
    anna.page.mouse.up()

    expect(field).to_have_value("words that took some time")


def test_chosen_emoji_stands_in_the_text_and_writing_goes_on(people: People) -> None:
    anna = people.at_desk("anna")
    composer = anna.page.get_by_test_id("composer")

    composer.press_sequentially("well done ")
    anna.page.get_by_role("button", name="Insert emoji").click()
    anna.page.keyboard.press("Enter")
    expect(composer).to_be_focused()
    anna.page.keyboard.type("!")

    expect(composer).to_have_value("well done 👍!")


def test_room_that_was_open_before_shows_where_the_new_messages_begin(people: People) -> None:
    anna = people.at_desk("anna")
    anna.enter("general")
    room = said("elsewhere")
    anna.page.get_by_test_id("create-room").click()
    anna.page.get_by_test_id("new-room-name").fill(room)
    anna.page.get_by_test_id("create").click()
    expect(anna.page.get_by_test_id("room-title")).to_have_text(room)
    read, news = said("written while anna is elsewhere"), said("and one more")
    people.post("boris", read, news)
    expect(anna.page.locator("[data-room-slug=general] [data-testid=unread]")).to_be_visible()

    anna.enter("general")

    divider = anna.page.get_by_test_id("new-divider")
    expect(divider).to_have_count(1)
    first = divider.locator("xpath=following-sibling::*[1]")
    expect(first).to_contain_text(read)


def test_members_over_the_messages_go_away_with_escape_and_with_a_tap_beside(
    people: People,
) -> None:
    boris = people.on_phone("boris", has_touch=True)
    members = boris.page.get_by_test_id("members")

    boris.page.get_by_test_id("presence").tap()
    expect(members).to_be_visible()
    boris.page.keyboard.press("Escape")
    expect(members).to_have_count(0)
    boris.page.get_by_test_id("presence").tap()
    expect(members).to_be_visible()
    boris.page.touchscreen.tap(20, 400)

    expect(members).to_have_count(0)
