"""What is being written: it stays with its room, and keys and files do what people expect."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect

from chat.events import emoji
from tests.acceptance.axe import faults
from tests.acceptance.desk import SHOTS
from tests.acceptance.people import People, Person
from tests.acceptance.test_conversation import said

BUILD = Path("chat/static/chat/build/assets")
# What a browser makes of a file that is let go over the page, and of a screenshot that is pasted.
DROP = """target => {
    const data = new DataTransfer();
    data.items.add(new File(["x"], "plan.pdf", {type: "application/pdf"}));
    const made = {dataTransfer: data, bubbles: true, cancelable: true};
    const over = new DragEvent("dragover", made), drop = new DragEvent("drop", made);
    document.querySelector(target).dispatchEvent(over);
    document.querySelector(target).dispatchEvent(drop);
    return over.defaultPrevented && drop.defaultPrevented;
}"""
PASTE = """types => {
    const data = new DataTransfer();
    data.items.add(new File(["x"], "image.png", {type: "image/png"}));
    for (const type of types) data.setData(type, "copied words");
    const made = {clipboardData: data, bubbles: true, cancelable: true};
    const paste = new ClipboardEvent("paste", made);
    document.querySelector("[data-testid=composer]").dispatchEvent(paste);
    return paste.defaultPrevented;
}"""


def new_room(person: Person, name: str | None = None) -> str:
    """The slug of a room of their own."""
    name = name or said("elsewhere")
    person.page.get_by_test_id("create-room").click()
    person.page.get_by_test_id("new-room-name").fill(name)
    person.page.get_by_test_id("create").click()
    expect(person.page.get_by_test_id("room-title")).to_contain_text(name)
    return unquote(person.page.url.rpartition("#/")[2])


def test_edit_under_way_is_kept_while_one_looks_into_another_room(people: People) -> None:
    anna = people.at_desk("anna")
    other = new_room(anna)
    anna.enter("general")
    composer = anna.page.get_by_test_id("composer")
    text = said("befor")
    anna.write(text)
    anna.sees_state(text, "stored")
    composer.fill("a draft")
    anna.message(text).hover()
    anna.message(text).get_by_test_id("edit").click()
    expect(composer).to_have_value(text)
    composer.fill(f"{text} and after")

    anna.enter(other)
    expect(composer).to_have_value("")
    anna.enter("general")

    expect(composer).to_have_value(f"{text} and after")
    composer.press("Enter")
    expect(anna.message(f"{text} and after")).to_contain_text("edited")
    expect(composer).to_have_value("a draft")


def test_reply_under_way_is_kept_while_one_looks_into_another_room(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    other = new_room(anna)
    anna.enter("general")
    question, answer = said("who comes?"), said("I do")
    boris.write(question)
    anna.message(question).hover()
    anna.message(question).get_by_test_id("reply").click()
    anna.page.get_by_test_id("composer").fill(answer)

    anna.enter(other)
    expect(anna.page.get_by_test_id("cancel-reply")).to_have_count(0)
    anna.enter("general")

    expect(anna.page.get_by_test_id("cancel-reply")).to_be_visible()
    anna.page.get_by_test_id("composer").press("Enter")
    expect(boris.message(answer)).to_contain_text(question)


def test_reader_who_was_further_up_is_there_again_after_another_room(people: People) -> None:
    anna = people.at_desk("anna")
    other = new_room(anna)
    anna.enter("general")
    place = said("here I am")
    below = [said(f"line {number} below it") for number in range(40)]
    people.post("boris", place, *below)
    anna.sees(below[-1])
    anna.message(place).evaluate("e => e.scrollIntoView({block: 'start'})")
    expect(anna.page.get_by_test_id("message-list")).to_have_attribute("data-at-end", "false")
    before = anna.message(place).bounding_box()
    assert before is not None

    anna.enter(other)
    people.post("boris", said("news"))
    anna.enter("general")

    expect(anna.message(place)).to_be_in_viewport()
    after = anna.message(place).bounding_box()
    assert after is not None
    assert abs(after["y"] - before["y"]) < 3


def test_unsent_message_can_be_cancelled(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    cancelled, sent = said("better not"), said("but this")
    anna.goes_offline()
    anna.page.get_by_test_id("status-bar").get_by_role("button").wait_for()
    anna.write(cancelled)
    anna.write(sent)

    anna.message(cancelled).get_by_test_id("cancel-send").click()
    expect(anna.message(cancelled)).to_have_count(0)
    anna.comes_back()

    anna.sees_state(sent, "stored")
    boris.sees(sent)
    expect(boris.message(cancelled)).to_have_count(0)


def test_enter_that_ends_a_composition_of_an_input_method_sends_nothing(people: People) -> None:
    anna = people.at_desk("anna")
    composer = anna.page.get_by_test_id("composer")
    composer.fill("にほん")

    # As Safari tells of it, after the composition's end; and as other browsers do, before it.
    composer.evaluate(
        """box => { for (const more of [{keyCode: 229}, {isComposing: true}]) box.dispatchEvent(
            new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true, ...more})
        ) }"""
    )

    expect(composer).to_have_value("にほん")
    composer.press("Enter")
    expect(composer).to_have_value("")


def test_only_the_bare_arrow_up_edits_the_last_message(people: People) -> None:
    anna = people.at_desk("anna")
    text = said("the last one")
    anna.write(text)
    anna.sees_state(text, "stored")
    composer = anna.page.get_by_test_id("composer")

    for keys in ("Control+ArrowUp", "Shift+ArrowUp", "Meta+ArrowUp"):
        composer.press(keys)
        expect(composer).to_have_value("")
    composer.press("ArrowUp")

    expect(composer).to_have_value(text)


def test_enter_on_a_phone_is_a_new_line_and_the_button_sends(people: People) -> None:
    boris = people.on_phone("boris", has_touch=True, is_mobile=True)
    composer = boris.page.get_by_test_id("composer")
    text = said("first line")

    composer.fill(text)
    composer.press("Enter")
    composer.press_sequentially("second line")
    expect(composer).to_have_value(f"{text}\nsecond line")
    boris.page.get_by_test_id("send").tap()

    expect(composer).to_have_value("")
    expect(boris.message(text)).to_contain_text(
        re.compile(r"first line.*\s+second line", re.DOTALL)
    )


def test_words_are_formatted_by_keys_and_buttons_and_undo_takes_it_back(people: People) -> None:
    anna = people.at_desk("anna")
    page, composer = anna.page, anna.page.get_by_test_id("composer")
    word = said("loud")

    composer.press_sequentially(f"say {word}")
    composer.press("Shift+Home")
    composer.press("Control+b")
    expect(composer).to_have_value(f"**say {word}**")
    composer.press("Control+z")
    expect(composer).to_have_value(f"say {word}")
    page.get_by_test_id("format-strike").click()
    expect(composer).to_be_focused()
    composer.press("Control+b")
    expect(composer).to_have_value(f"~~**say {word}**~~")
    composer.press("Alt+p")
    expect(page.get_by_test_id("preview").locator("s strong")).to_have_text(f"say {word}")
    composer.press("Enter")

    expect(anna.message(word).locator("s strong")).to_have_text(f"say {word}")
    expect(page.get_by_test_id("preview")).to_have_count(0)
    # The draft, which is kept, knows what the buttons changed.
    composer.press_sequentially("- one")
    composer.press("Shift+Enter")
    composer.press_sequentially("two")
    page.reload()
    expect(composer).to_have_value("- one\n- two")
    composer.fill("")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["desk", "phone"])
def test_buttons_for_formatting_fit_and_are_there_for_everybody(
    people: People, scheme: str, place: str
) -> None:
    phone = place == "phone"
    arrive = people.on_phone if phone else people.at_desk
    anna = arrive("anna", color_scheme=scheme, has_touch=phone, is_mobile=phone)
    page, composer = anna.page, anna.page.get_by_test_id("composer")
    if phone:
        page.get_by_test_id("format-toggle").tap()
    composer.fill("a word")

    for button in ("format-bullets", "preview-toggle"):
        page.get_by_test_id(button).click()
    expect(page.get_by_test_id("preview").get_by_role("listitem")).to_have_text("a word")

    bar = page.get_by_test_id("format-bar")
    assert bar.evaluate("e => e.offsetHeight") < 60, "the buttons stand in two lines"
    assert not faults(page)
    page.get_by_test_id("preview-toggle").press("Home")
    expect(page.get_by_test_id("format-bold")).to_be_focused()
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"writing-{place}-{scheme}.png")
    composer.fill("")


def test_emoji_are_completed_while_they_are_written_and_the_last_used_come_first(
    people: People,
) -> None:
    anna = people.at_desk("anna", anew=True)
    composer, completions = (
        anna.page.get_by_test_id("composer"),
        anna.page.get_by_test_id("completions"),
    )
    word = said("party")

    composer.press_sequentially(f"{word} :tad")
    expect(completions.get_by_role("option").first).to_contain_text(":tada:")
    assert not faults(anna.page)
    composer.press("Tab")
    composer.press_sequentially(":thumbsup:")
    expect(composer).to_have_value(f"{word} 🎉 👍")
    composer.press("Control+z")
    expect(composer).to_have_value(f"{word} 🎉 :thumbsup:")
    composer.press("Control+Shift+z")
    composer.press_sequentially(" :t")
    composer.press_sequentially("h")
    expect(completions.get_by_role("option").first).to_contain_text("👍")
    composer.press("Escape")
    expect(completions).to_have_count(0)
    composer.press("Enter")

    anna.sees(f"{word} 🎉 👍 :th")


@pytest.mark.parametrize("place", ["desk", "phone"])
def test_emoji_are_found_in_russian_and_keep_the_chosen_skin_tone(
    people: People, place: str
) -> None:
    phone = place == "phone"
    arrive = people.on_phone if phone else people.at_desk
    anna = arrive(
        "anna",
        anew=True,
        color_scheme="dark" if phone else "light",
        has_touch=phone,
        is_mobile=phone,
    )
    page = anna.page
    page.context.add_cookies([{"name": "django_language", "value": "ru", "url": people.address}])
    page.reload()
    picker = page.get_by_test_id("emoji-picker")

    page.get_by_test_id("insert-emoji").click()
    page.get_by_test_id("emoji-tone-4").check(force=True)
    picker.get_by_role("tab").nth(2).click()
    expect(picker.get_by_test_id("emoji").first).to_have_text("👋🏾")
    assert not faults(page)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"emoji-{place}.png")
    page.get_by_test_id("emoji-search").fill("большой палец вверх")
    expect(picker.get_by_test_id("emoji")).to_have_text(["👍🏾"])
    page.get_by_test_id("emoji-search").press("Enter")
    expect(page.get_by_test_id("composer")).to_have_value("👍🏾")
    page.get_by_test_id("composer").fill("")

    word = said("to react to")
    anna.write(word)
    anna.sees_state(word, "stored")
    if phone:
        anna.message(word).tap()
    else:
        anna.message(word).hover()
    anna.message(word).get_by_test_id("react").click()
    expect(picker.get_by_test_id("emoji").first).to_have_text("👍🏾")
    picker.get_by_test_id("emoji").first.click()
    expect(anna.message(word).get_by_test_id("reaction")).to_contain_text("👍🏾")


def test_every_emoji_that_is_offered_is_one_that_the_server_stores_as_it_is() -> None:
    built = "".join(path.read_text() for path in BUILD.glob("data.*.js"))
    offered = re.findall(r'\["([^"]+)",\d,([01]),', built)

    assert len(offered) > 1_800
    for char, tones in offered:
        assert emoji.canonical(char) == char
        toned = char[0] + "\U0001f3fd" + char[1:].removeprefix(emoji.PRESENTATION)
        assert tones == "0" or emoji.canonical(toned) == toned


def test_file_that_is_dropped_anywhere_is_refused_in_words(people: People) -> None:
    anna = people.at_desk("anna")
    anna.enter("general")

    for target in ("[data-testid=message-list]", "[data-testid=composer]", "body"):
        assert anna.page.evaluate(DROP, target)
        told_of_files(anna.page)

    anna.page.get_by_test_id("search-messages").click()
    assert anna.page.evaluate(DROP, "#search-query")
    told_of_files(anna.page)


def test_pasted_image_is_refused_in_words_and_text_beside_it_is_pasted(people: People) -> None:
    anna = people.at_desk("anna")
    anna.enter("general")

    assert anna.page.evaluate(PASTE, [])
    told_of_files(anna.page)

    assert not anna.page.evaluate(PASTE, ["text/plain"])


def told_of_files(page: Page) -> None:
    toasts = page.get_by_test_id("toasts")
    expect(toasts).to_contain_text("You cannot send files yet")
    toasts.get_by_role("button").click()
    expect(toasts).not_to_contain_text("Files")
