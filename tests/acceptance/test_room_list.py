"""The list of rooms as its owner has arranged it: the same on every device, by keyboard alone."""

from __future__ import annotations

import re
import uuid

from playwright.sync_api import Locator, expect

from tests.acceptance.axe import faults
from tests.acceptance.people import People, Person
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def item(person: Person, slug: str) -> Locator:
    return person.page.locator(f"[data-testid=room-item][data-room-slug={slug}]")


def section(person: Person, key: str) -> Locator:
    """A part of the list with its rooms."""
    toggle = person.page.locator(f'[data-testid=group][data-group="{key}"]')
    return person.page.locator("section").filter(has=toggle)


def choose(person: Person, slug: str, *names: str) -> None:
    """From a room's menu, with keys."""
    item(person, slug).focus()
    person.page.keyboard.press("ArrowRight")
    person.page.keyboard.press("Enter")
    for name in names:
        person.page.get_by_test_id(f"menu-{name}").press("Enter")


def test_favourites_and_sections_are_the_same_on_every_device(people: People) -> None:
    desk, phone = people.at_desk("anna"), people.on_phone("anna", has_touch=True)
    slug = new_room(desk)
    name = f"Work {uuid.uuid4().hex[:6]}"

    choose(desk, slug, "section", "new-section")
    desk.page.get_by_test_id("section-name").fill(name)
    desk.page.get_by_test_id("save-section").press("Enter")
    choose(desk, "general", "favourite")
    phone.page.get_by_test_id("open-menu").tap()
    for device in (desk, phone):
        expect(section(device, f"section {name}").get_by_test_id("room-item")).to_have_count(1)
        expect(section(device, "favourites").locator(item(device, "general"))).to_be_visible()
        for scheme in ("light", "dark"):
            device.page.emulate_media(color_scheme=scheme)
            assert faults(device.page) == []

    desk.enter("general")
    desk.page.locator(f'[data-group="section {name}"]').press("Enter")
    for device in (desk, phone):
        expect(item(device, slug)).to_have_count(0)
    section(phone, "favourites").get_by_test_id("room-menu").tap()
    phone.page.get_by_test_id("menu-favourite").tap()
    desk.page.locator(f'[data-group="section {name}"]').focus()
    desk.page.keyboard.press("ArrowRight")
    desk.page.keyboard.press("Enter")
    desk.page.get_by_test_id("menu-remove").press("Enter")
    for device in (desk, phone):
        expect(section(device, "favourites")).to_have_count(0)
        expect(section(device, "rooms").locator(item(device, slug))).to_be_visible()


def test_closed_conversation_comes_back_with_news_or_when_it_is_looked_for(people: People) -> None:
    name = f"closer{uuid.uuid4().hex[:6]}"
    anna, boris = people.newcomer(name), people.at_desk("boris")
    talk(anna, "boris")
    anna.write(said("hello"))
    slug = anna.page.locator("[data-testid=room-item][aria-current=page]").get_attribute(
        "data-room-slug"
    )
    assert slug is not None
    expect(item(boris, slug).get_by_text("1", exact=True)).to_be_visible()
    anna.enter("general")

    choose(anna, slug, "close")
    expect(item(anna, slug)).to_have_count(0)
    anna.page.reload()
    expect(item(anna, "general")).to_be_visible()
    expect(item(anna, slug)).to_have_count(0)
    boris.enter(slug)
    boris.write(said("an answer"))
    expect(item(anna, slug)).to_be_visible()
    expect(anna.page).to_have_title(re.compile(r"^\(1\) "))

    choose(anna, slug, "close")
    expect(item(anna, slug)).to_have_count(0)
    talk(anna, "boris")
    expect(item(anna, slug)).to_have_attribute("aria-current", "page")


def talk(person: Person, other: str) -> None:
    person.page.keyboard.press("Control+k")
    person.page.get_by_test_id("jump-query").fill(other)
    person.page.keyboard.press("Enter")
    expect(person.page.get_by_test_id("room-title")).to_contain_text(other.title())
