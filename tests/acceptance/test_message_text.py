"""How the page shows what people type: words stay whole, and every text turns its way."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.acceptance.people import People, Person
from tests.acceptance.test_conversation import said

TABLE = (
    "| Configuration | Responsibilities | Administrator | Internationalisation | Documentation |\n"
    "|---|---|---|---|---|\n"
    "| synchronisation | incomprehensibility | troubleshooting | characteristic | nevertheless |\n"
    "\n"
)
RIGHT_TO_LEFT = (
    "שלום לכולם, deploy הסתיים.\n\n"
    "- פריט ראשון\n- second item\n\n"
    "> שאלה קצרה?\nתשובה https://example.com/a\n\n"
)


def last_body(person: Person, text: str) -> Locator:
    """The newest message, once it is stored: until then its row may be drawn anew."""
    row = person.page.get_by_test_id("message").last
    expect(row.get_by_test_id("message-body")).to_contain_text(text)
    expect(row).to_have_attribute("data-state", "stored")
    return row.get_by_test_id("message-body")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_table_scrolls_sideways_and_breaks_no_word(people: People, scheme: str) -> None:
    anna = people.on_phone("anna", color_scheme=scheme)
    word = said("a wide table")

    anna.write(TABLE + word)
    table = last_body(anna, word).locator("table")

    expect(table).to_be_visible()
    assert table.evaluate("e => e.scrollWidth > e.clientWidth")
    heights = table.locator("th").evaluate_all("cells => cells.map(c => c.offsetHeight)")
    assert max(heights) < 40, "a word stands on two lines"
    assert anna.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["desk", "phone"])
def test_text_from_right_to_left_turns_and_its_neighbours_do_not(
    people: People, scheme: str, place: str
) -> None:
    arrive = people.at_desk if place == "desk" else people.on_phone
    anna = arrive("anna", color_scheme=scheme)
    composer = anna.page.get_by_test_id("composer")

    composer.fill("שלום")
    turned = composer.evaluate("e => getComputedStyle(e).direction")
    last = said("left again")
    anna.write(RIGHT_TO_LEFT + last)
    body = last_body(anna, last)

    assert turned == "rtl"
    directions = body.evaluate("e => [...e.children].map(c => getComputedStyle(c).direction)")
    assert directions == ["rtl", "rtl", "rtl", "rtl", "ltr"]
    # The English item still comes after its mark.
    item = body.locator("li").nth(1)
    left, right = item.evaluate(
        """e => {
            const range = document.createRange();
            range.selectNodeContents(e);
            const [text, box] = [range.getBoundingClientRect(), e.getBoundingClientRect()];
            return [text.left - box.left, box.right - text.right];
        }"""
    )
    assert right < left


def test_keycap_is_as_large_as_other_emoji(people: People) -> None:
    anna = people.at_desk("anna")
    sizes = []
    for text in ("🎉", "1️⃣", said("words")):
        anna.write(text)
        sizes.append(last_body(anna, text).evaluate("e => getComputedStyle(e).fontSize"))

    assert sizes[0] == sizes[1] != sizes[2]


@pytest.mark.parametrize("mark", ["- ", "> "])
def test_deep_nesting_is_readable_on_a_phone(people: People, mark: str) -> None:
    anna = people.on_phone("anna")
    word = said("deep")

    anna.write(mark * 45 + word)
    last_body(anna, mark * 45 + word)
    word = said("not so deep")
    anna.write(mark * 6 + word)

    deepest = last_body(anna, word).locator("p, li").last
    assert deepest.evaluate("e => e.getBoundingClientRect().width") > 120
