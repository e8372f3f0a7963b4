"""How the page shows what people type: words stay whole, and every text turns its way."""

from __future__ import annotations

import re
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


def test_tasks_have_boxes_that_nobody_can_tick(people: People) -> None:
    anna = people.on_phone("anna")
    word = said("to do")

    anna.write(f"- [ ] {word}\n- [x] done")
    boxes = last_body(anna, word).get_by_role("checkbox")

    expect(boxes.first).to_have_accessible_name(word)
    expect(boxes.first).not_to_be_checked()
    expect(boxes.last).to_be_checked()
    expect(boxes.last).to_be_disabled()
    assert not faults(anna.page)


@pytest.mark.parametrize("place", ["desk", "phone"])
def test_long_message_is_folded_until_the_reader_or_a_link_unfolds_it(
    people: People, place: str
) -> None:
    arrive = people.at_desk if place == "desk" else people.on_phone
    anna = arrive("anna")
    page = anna.page
    word = said("long")
    people.post("boris", "\n\n".join([word, *(f"line {at}" for at in range(60)), f"end of {word}"]))
    anna.sees(word)
    row = anna.message(word)
    last, more = row.get_by_text(f"end of {word}"), row.get_by_test_id("show-more")

    expect(more).to_have_attribute("aria-expanded", "false")
    expect(last).not_to_be_in_viewport()
    assert row.evaluate("e => e.offsetHeight") < 500
    assert not faults(page)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"folded-{place}.png")
    page.get_by_test_id("composer").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(more).to_be_focused()
    page.keyboard.press("Enter")
    expect(more).to_have_text("Show less")
    assert row.evaluate("e => e.offsetHeight") > 1_000
    expect(page.get_by_test_id("message-list")).to_have_attribute("data-at-end", "false")

    # For as long as the page lives.
    page.goto(f"{people.address}/#/nowhere")
    page.goto(f"{people.address}/#/general")
    expect(more).to_have_text("Show less")
    page.reload()
    expect(more).to_have_text("Show more")
    seq = row.get_attribute("data-row-key")
    assert seq is not None
    page.goto(f"{people.address}/#/general/{seq.removeprefix('m')}")
    expect(more).to_have_text("Show less")
    more.click()
    expect(more).to_have_text("Show more")
    expect(row).to_be_in_viewport()


def test_link_to_a_message_unfolds_for_those_who_may_read_it(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    slug = new_room(anna)
    inner, outer = said("inner"), said("outer")
    anna.write(inner)
    seq = last_body(anna, inner).evaluate("e => e.closest('[data-row-key]').dataset.rowKey")
    anna.enter("general")
    place = anna.page.evaluate("location.origin + location.pathname")

    anna.write(f"{outer} {place}#/{slug}/{seq.removeprefix('m')}")

    linked = anna.message(outer).get_by_test_id("linked-message")
    expect(linked).to_contain_text("Anna")
    expect(linked).to_contain_text(inner)
    boris.sees(outer)
    expect(boris.message(outer).get_by_role("link")).to_have_count(1)
    expect(boris.message(outer).get_by_test_id("linked-message")).to_have_count(0)
    assert inner not in boris.page.content()
    assert not faults(anna.page)
    # It follows its message, and leads there.
    linked.click()
    anna.message(inner).hover()
    anna.message(inner).get_by_test_id("delete").click()
    anna.page.get_by_test_id("confirm").click()
    expect(anna.page.get_by_text("This message was deleted").last).to_be_visible()
    anna.enter("general")
    expect(linked).to_contain_text("This message was deleted")


@pytest.mark.parametrize("place", ["desk", "phone"])
def test_message_is_forwarded_as_a_quote_with_its_link(people: People, place: str) -> None:
    phone = place == "phone"
    anna = people.at_desk("anna")
    name = said("elsewhere")
    new_room(anna, name)
    if phone:
        anna = people.on_phone("anna", has_touch=True, is_mobile=True)
    anna.page.goto(f"{people.address}/#/general")
    page, word = anna.page, said("to forward")
    people.post("boris", word)
    anna.sees(word)
    if phone:
        anna.message(word).tap()
    else:
        anna.message(word).hover()
    anna.message(word).get_by_test_id("more").click()
    page.get_by_test_id("menu-forward").click()
    page.get_by_test_id("forward-query").fill(name)
    assert not faults(page)
    page.get_by_test_id("forward-query").press("Enter")

    expect(page.get_by_test_id("room-title")).to_contain_text(name)
    expect(page.get_by_test_id("composer")).to_have_value(re.compile(rf"> {word}\n\S+/\d+\n"))
    page.get_by_test_id("send").click()
    body = last_body(anna, word)
    expect(body.locator("blockquote")).to_have_text(word)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"forwarded-{place}.png")
    linked = page.get_by_test_id("linked-message")
    expect(linked).to_contain_text("Boris")
    linked.click()
    expect(page.get_by_test_id("room-title")).not_to_contain_text(name)
    expect(anna.message(word)).to_be_in_viewport()
    assert "#/general/" in page.url


def wait_for_colours(person: Person, kind: str, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while (found := person.page.evaluate(COLOURED, kind)) != count:
        assert time.monotonic() < deadline, f"{found} instead of {count}"
        person.page.wait_for_timeout(50)  # between two looks at the page
