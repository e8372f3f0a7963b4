"""Refusals in the language of the reader: no sentence of the server's, which are English."""

from __future__ import annotations

import re
from functools import partial

from playwright.sync_api import Page, Route, expect

from tests.acceptance.people import People
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room

LATIN_WORD = re.compile(r"[A-Za-z]{2,}")


# What the server refuses, and what the page says of it.
NAMES = {
    "g\u0435neral": "двух алфавитов",
    "\u3164": "видимый текст",
    "a\u202eb": "направление письма",
}
ANSWERS = [
    (500, "server_error"),
    (403, "reauthentication_required"),
    (422, "unheard_of"),
    (502, None),
]


def speak_russian(page: Page) -> None:
    page.get_by_test_id("account").click()
    page.get_by_test_id("language-ru").click()
    page.keyboard.press("Escape")


def is_refused_without_a_latin_word(page: Page, sentence: str = "") -> None:
    """In the dialog, which is then closed."""
    alert = page.get_by_test_id("dialog").get_by_role("alert")
    expect(alert).not_to_be_empty()
    expect(alert).to_contain_text(sentence)
    assert not LATIN_WORD.search(alert.inner_text())
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("dialog")).to_have_count(0)


def test_refused_room_name_is_explained_in_russian(people: People) -> None:
    page = people.at_desk("anna").page
    speak_russian(page)

    for name, sentence in NAMES.items():
        page.get_by_test_id("create-room").click()
        page.get_by_test_id("new-room-name").fill(name)
        page.get_by_test_id("create").click()
        is_refused_without_a_latin_word(page, sentence)


def test_answer_that_the_page_does_not_know_is_in_russian_too(people: People) -> None:
    anna = people.at_desk("anna")
    page = anna.page
    new_room(anna, said("in russian"))
    speak_russian(page)

    for status, code in ANSWERS:
        page.unroute_all()
        page.route("**/api/v1/rooms/**", partial(refuse, status, code))
        page.get_by_test_id("room-settings").click()
        page.get_by_test_id("room-name").fill("Another")
        page.get_by_test_id("save-room").click()
        is_refused_without_a_latin_word(page)


def refuse(status: int, code: str | None, route: Route) -> None:
    if route.request.method == "GET":
        route.continue_()
    elif code is None:
        route.fulfill(status=status, body="<h1>Bad Gateway</h1>", content_type="text/html")
    else:
        route.fulfill(status=status, json={"code": code, "detail": "Some English words."})
