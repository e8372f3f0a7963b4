"""How the page shows what people type: words stay whole, and every text turns its way."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Locator, expect

from tests.acceptance.axe import faults
from tests.acceptance.desk import SHOTS
from tests.acceptance.people import PATIENCE_MS, People, Person
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room

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


COLOURED = "name => CSS.highlights.get(`code-${name}`)?.size ?? 0"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_code_has_its_language_colours_and_a_button_that_copies_it(
    people: People, scheme: str
) -> None:
    anna = people.at_desk("anna", color_scheme=scheme)
    page = anna.page
    new_room(anna)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    name = said("f").replace(" ", "_")
    code = f"def {name}(x):\n    return 'text'  # why"

    anna.write(f"```python\n{code}\n```")
    block = last_body(anna, name).locator("pre")
    expect(block).to_contain_text("python")
    # The colours come from a thread of its own, some time later.
    wait_for_colours(anna, "keyword", 2)
    assert page.evaluate(COLOURED, "comment") == 1
    assert not faults(page)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"code-{scheme}.png")
    page.get_by_test_id("composer").focus()
    for key in ("Shift+Tab", "ArrowRight"):
        page.keyboard.press(key)
    expect(block.get_by_test_id("copy-code")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("toasts")).to_contain_text("Copied")

    assert page.evaluate("navigator.clipboard.readText()") == code
    # The colours of what is gone go with it.
    new_room(anna)
    wait_for_colours(anna, "keyword", 0)


def wait_for_colours(person: Person, kind: str, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while (found := person.page.evaluate(COLOURED, kind)) != count:
        assert time.monotonic() < deadline, f"{found} instead of {count}"
        person.page.wait_for_timeout(50)  # between two looks at the page
