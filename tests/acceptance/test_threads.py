"""Threads beside the room: replies, followers, what is unread, the keyboard and the phone."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.acceptance.axe import faults
from tests.acceptance.people import People, Person
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def panel(person: Person) -> Locator:
    return person.page.get_by_test_id("thread")


def in_room(person: Person, text: str) -> Locator:
    """The message as the room shows it."""
    rows = person.page.get_by_test_id("message-list").get_by_test_id("message")
    return rows.filter(has_text=text)


def in_thread(person: Person, text: str) -> Locator:
    return panel(person).get_by_test_id("message").filter(has_text=text)


def open_thread(person: Person, text: str) -> None:
    in_room(person, text).hover()
    in_room(person, text).get_by_test_id("reply-in-thread").click()
    expect(in_thread(person, text)).to_be_visible()


def reply(person: Person, text: str, *, to_room: bool = False) -> None:
    composer = person.page.get_by_test_id("thread-composer")
    composer.fill(text)
    if to_room:
        person.page.get_by_test_id("to-room").check()
    panel(person).get_by_test_id("send").click()


def unread_threads(person: Person) -> Locator:
    return person.page.get_by_test_id("threads-unread")


def overflows(page: Page) -> bool:
    wide: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wide


def test_two_people_talk_beside_the_room(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    question, inside, shown = said("Lunch?"), said("Pelmeni"), said("All of you: noon")
    anna.write(question)
    anna.sees_state(question, "stored")
    new_room(anna)

    open_thread(boris, question)
    reply(boris, inside)
    reply(boris, shown, to_room=True)
    for text in (inside, shown):
        expect(in_thread(boris, text)).to_have_attribute("data-state", "stored")
    expect(in_room(boris, inside)).to_have_count(0)
    expect(in_room(boris, shown)).to_have_count(1)
    expect(in_room(boris, question).get_by_test_id("thread-line")).to_have_attribute(
        "data-count", "2"
    )

    # A thread about one's own message is followed, and is no news of its room.
    expect(unread_threads(anna)).to_have_attribute("data-count", "1")
    anna.page.get_by_test_id("threads-item").click()
    anna.page.get_by_test_id("followed-thread").filter(has_text=question).click()
    expect(in_thread(anna, inside)).to_be_visible()
    expect(unread_threads(anna)).to_have_count(0)
    anna.page.reload()
    expect(in_thread(anna, inside)).to_be_visible()
    expect(unread_threads(anna)).to_have_count(0)

    answer = said("I come")
    reply(anna, answer)
    expect(in_thread(boris, answer)).to_be_visible()
    in_thread(boris, inside).hover()
    in_thread(boris, inside).get_by_test_id("delete").click()
    boris.page.get_by_test_id("confirm").click()
    expect(panel(anna).get_by_test_id("thread-count")).to_have_attribute("data-count", "2")


def test_muted_thread_is_no_news_on_any_device(people: People) -> None:
    anna, boris, laptop = people.at_desk("anna"), people.at_desk("boris"), people.at_desk("anna")
    question, first, second = said("Who?"), said("me"), said("not me")
    anna.write(question)
    open_thread(boris, question)
    reply(boris, first)
    open_thread(anna, question)
    expect(in_thread(anna, first)).to_have_attribute("data-state", "stored")
    follow = panel(anna).get_by_test_id("follow-thread")
    expect(follow).to_have_attribute("aria-pressed", "true")
    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "false")
    expect(unread_threads(laptop)).to_have_count(0)

    reply(boris, second)
    expect(in_thread(anna, second)).to_be_visible()

    expect(unread_threads(laptop)).to_have_count(0)


def test_reply_written_without_a_connection_is_sent_when_it_is_back(people: People) -> None:
    anna = people.at_desk("anna")
    question, answer = said("Offline?"), said("Even so")
    anna.write(question)
    anna.sees_state(question, "stored")
    open_thread(anna, question)
    anna.goes_offline()
    reply(anna, answer)
    expect(in_thread(anna, answer)).to_have_attribute("data-state", "waiting")

    anna.comes_back()

    expect(in_thread(anna, answer)).to_have_attribute("data-state", "stored")
    expect(in_thread(anna, answer)).to_have_count(1)


def test_keys_open_a_thread_and_close_it(people: People) -> None:
    anna = people.at_desk("anna")
    question, draft = said("Keys?"), said("not finished")
    anna.write(question)
    anna.sees_state(question, "stored")
    page = anna.page
    page.keyboard.press("Shift+Tab")
    expect(in_room(anna, question)).to_be_focused()

    page.keyboard.press("t")
    expect(page.get_by_test_id("thread-composer")).to_be_focused()
    page.keyboard.type(draft)
    page.keyboard.press("Escape")
    expect(panel(anna)).to_have_count(0)
    expect(in_room(anna, question)).to_be_focused()

    page.keyboard.press("t")
    expect(page.get_by_test_id("thread-composer")).to_have_value(draft)
    page.go_back()
    expect(panel(anna)).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_thread_and_list_are_accessible(people: People, scheme: Literal["light", "dark"]) -> None:
    anna = people.at_desk("anna", color_scheme=scheme)
    question = said("Seen?")
    anna.write(question)
    open_thread(anna, question)
    reply(anna, said("yes"))
    expect(in_room(anna, question).get_by_test_id("thread-line")).to_be_visible()
    assert faults(anna.page) == []

    anna.page.get_by_test_id("threads-item").click()
    expect(anna.page.get_by_test_id("followed-thread").filter(has_text=question)).to_be_visible()
    assert faults(anna.page) == []


def test_thread_is_a_page_on_the_phone(people: People) -> None:
    anna = people.on_phone("anna", is_mobile=True, has_touch=True)
    question, answer = said("On the way?"), said("Soon")
    anna.write(question)
    anna.sees_state(question, "stored")
    in_room(anna, question).tap()
    in_room(anna, question).get_by_test_id("reply-in-thread").tap()
    expect(in_thread(anna, question)).to_be_visible()
    reply(anna, answer)
    expect(in_thread(anna, answer)).to_have_attribute("data-state", "stored")
    width = panel(anna).bounding_box()
    assert width is not None
    assert width["width"] == 390
    assert not overflows(anna.page)
    assert faults(anna.page) == []

    anna.page.get_by_test_id("close-thread").tap()
    expect(panel(anna)).to_have_count(0)
    expect(in_room(anna, question).get_by_test_id("thread-line")).to_be_visible()
