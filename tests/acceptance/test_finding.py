"""Going to rooms and people by typing: one list that arrows go through, wherever one chooses."""

from __future__ import annotations

import re
import uuid

from playwright.sync_api import expect

from tests.acceptance.axe import faults
from tests.acceptance.people import People
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def test_control_k_leads_to_rooms_and_people_by_a_few_letters(people: People) -> None:
    anna = people.at_desk("anna")
    new_room(anna)

    anna.page.keyboard.press("Control+k")
    anna.page.get_by_test_id("jump-query").press_sequentially("gnrl")
    expect(anna.page.locator("[aria-selected=true]")).to_contain_text("General")
    anna.page.keyboard.press("Enter")
    expect(anna.page.get_by_test_id("room-title")).to_have_text("General")

    anna.page.keyboard.press("Control+k")
    anna.page.get_by_test_id("jump-query").fill("@bori")
    place = anna.page.locator("[data-testid=place]").filter(has_text="@boris")
    expect(place).to_be_visible()
    anna.page.keyboard.press("Enter")
    expect(anna.page.get_by_test_id("room-title")).to_contain_text("Boris")


def test_enter_takes_what_the_arrows_have_gone_to(people: People) -> None:
    anna = people.at_desk("anna")
    both = said("either")
    for one in ("one", "two"):
        new_room(anna, f"{both} {one}")
    page = anna.page

    page.keyboard.press("Control+k")
    page.get_by_test_id("jump-query").fill(both)
    places = page.get_by_test_id("place")
    expect(places).to_have_count(3)  # the last one searches the messages
    second = places.nth(1).get_attribute("data-place")
    page.keyboard.press("ArrowDown")
    expect(places.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")

    expect(page.get_by_test_id("dialog")).to_have_count(0)
    assert page.url.endswith(f"#/{second}")


def test_same_keys_choose_in_browse_invite_and_new_message(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris", color_scheme="dark")
    slug = new_room(anna)
    text = said("what it is about")
    anna.write(text)
    anna.sees_state(text, "stored")

    boris.page.get_by_test_id("browse-rooms").click()
    boris.page.get_by_test_id("room-query").fill(slug.replace("-", " "))
    expect(boris.page.get_by_test_id("public-room")).to_have_count(1)
    boris.page.keyboard.press("Enter")
    boris.sees(text)

    slug = new_room(boris)
    invite = boris.page.get_by_test_id("invite")
    if not invite.is_visible():
        boris.page.get_by_test_id("presence").click()
    invite.click()
    boris.page.get_by_test_id("people-query").fill("@anna")
    person = boris.page.locator("[data-testid=person][data-user=anna]")
    expect(person).to_have_attribute("aria-selected", "true")
    boris.page.keyboard.press("Enter")
    expect(person).to_contain_text("Invited")
    expect(anna.page.locator(f"[data-room-slug={slug}]")).to_be_visible()
    boris.page.keyboard.press("Escape")

    boris.page.get_by_test_id("new-direct").click()
    boris.page.get_by_test_id("people-query").fill("anna")
    expect(person).to_be_visible()
    boris.page.keyboard.press("Enter")
    expect(boris.page.get_by_test_id("room-title")).to_contain_text("Anna")


def test_conversation_that_was_only_opened_is_not_shown_to_the_other(people: People) -> None:
    anna, eva = people.at_desk("anna"), people.newcomer(said("eva").replace(" ", "-"))
    eva.page.keyboard.press("Control+k")
    eva.page.get_by_test_id("jump-query").fill("@anna")
    expect(eva.page.locator("[data-place='@anna']")).to_be_visible()
    eva.page.keyboard.press("Enter")
    expect(eva.page.get_by_test_id("room-title")).to_contain_text("Anna")
    address = eva.page.url.rpartition("#/")[2]
    theirs = anna.page.locator(f"[data-room-slug={address}]")
    anna.page.reload()
    expect(anna.page.get_by_test_id("composer")).to_be_visible()
    expect(theirs).to_have_count(0)

    eva.write(said("the first word"))

    expect(theirs.get_by_test_id("unread")).to_be_visible()


def test_search_is_narrowed_by_what_one_types_and_chooses(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    word = uuid.uuid4().hex[:8]
    slug = new_room(anna)
    link = f"{word} at https://example.com/{word}"
    for text in (f"{word} plain", link, f"{word} as `code`"):
        anna.write(text)
        anna.sees_state(text.replace("`", ""), "stored")
    boris.write(f"{word} by boris")  # in another room that both are in
    boris.sees_state(f"{word} by boris", "stored")
    page = anna.page
    results = page.get_by_test_id("search-result")

    # By the keyboard: an operator, a person, what is left.
    page.keyboard.press("Control+Shift+F")
    page.get_by_test_id("search-everywhere").click()
    field = page.get_by_test_id("search-query")
    field.focus()
    page.keyboard.type(word)
    expect(results).to_have_count(4)
    page.keyboard.type(" from:bor")
    expect(page.get_by_test_id("search-completion").filter(has_text="from:@boris")).to_be_visible()
    page.keyboard.press("Enter")
    expect(field).to_have_value(f"{word} from:@boris ")
    expect(results).to_have_count(1)
    expect(results).to_contain_text("by boris")
    page.get_by_test_id("search-chip").click()
    expect(results).to_have_count(4)

    for operators, expected in (
        ("has:link", [link]),
        ("has:code on:today", [f"{word} as `code`"]),
        (f"in:{slug} -has:link -has:code", [f"{word} plain"]),
        ("before:2020-01-01", []),
    ):
        field.fill(f"{word} {operators}")
        expect(results).to_have_text([re.compile(re.escape(text)) for text in expected])
    expect(page.get_by_test_id("search-none")).to_be_visible()
    assert faults(page) == []

    # What names nobody says so; what is in quotes is text.
    field.fill(f"{word} from:nobody-at-all")
    failure = page.get_by_test_id("search-failure")
    expect(failure).to_contain_text("from:nobody-at-all")
    expect(failure).to_contain_text("Nobody has this name.")
    assert faults(page) == []

    # Enter leads to the results, and into the room.
    field.fill(f"{word} has:link")
    expect(results).to_have_count(1)
    page.keyboard.press("Escape")  # there is nothing to complete: the window closes
    expect(page.get_by_test_id("dialog")).to_have_count(0)
    anna.enter("general")
    page.keyboard.press("Control+Shift+F")
    expect(page.get_by_test_id("search-operator")).to_have_count(8)
    assert faults(page) == []
    page.get_by_test_id("search-everywhere").click()
    field.fill(f"{word} has:link")
    expect(results).to_have_count(1)
    field.press("Enter")
    page.keyboard.press("Enter")
    anna.sees(link)
    assert page.url.partition("#/")[2].startswith(slug)

    # It is remembered, until it is cleared.
    page.keyboard.press("Control+Shift+F")
    recent = page.get_by_test_id("recent-search")
    expect(recent.first).to_have_text(f"{word} has:link")
    page.get_by_test_id("clear-searches").click()
    expect(recent).to_have_count(0)


def test_all_results_are_shown_page_after_page_on_a_phone_too(people: People) -> None:
    anna = people.on_phone("anna")
    word = uuid.uuid4().hex[:8]
    people.post("anna", *[f"{word} number {number}" for number in range(45)])
    page = anna.page

    page.get_by_test_id("search-messages").click()
    page.get_by_test_id("search-query").fill(word)
    results = page.get_by_test_id("search-result")
    expect(results).to_have_count(20)
    page.get_by_test_id("search-more").click()
    expect(results).to_have_count(40)
    page.get_by_test_id("search-more").click()
    expect(results).to_have_count(45)
    expect(page.get_by_test_id("search-more")).to_have_count(0)
    expect(results.first).to_contain_text("number 44")
    expect(results.last).to_contain_text("number 0")
    page.get_by_test_id("search-relevant").click()
    expect(results).to_have_count(20)
    assert faults(page) == []
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide)


def test_room_opens_at_a_date(people: People) -> None:
    anna = people.at_desk("anna")
    slug = new_room(anna)
    people.post("anna", *[f"line {number}" for number in range(120)], room=slug)
    page = anna.page
    anna.sees("line 119")
    expect(anna.message("line 0")).to_have_count(0)

    page.get_by_test_id("go-to-date").click()
    expect(page.get_by_test_id("date")).to_be_focused()
    assert faults(page) == []
    page.keyboard.press("Enter")  # today, when all of it was written

    anna.sees("line 0")
    expect(page.get_by_test_id("dialog")).to_have_count(0)
    page.get_by_test_id("go-to-date").click()
    page.get_by_test_id("date").fill("2020-02-29")
    page.get_by_test_id("date-go").click()
    expect(page.get_by_text("Nothing was written that day.")).to_be_visible()
    anna.sees("line 0")
