"""What is new to somebody: one number, whichever of their devices they look at."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.acceptance.people import People, Person
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def badge(person: Person) -> Locator:
    """What is unread in #general, beside its name."""
    return person.page.locator("[data-room-slug=general] [data-testid=unread]")


def look_elsewhere(person: Person) -> None:
    """To a room of their own, once all of #general is read."""
    person.enter("general")
    expect(badge(person)).to_have_count(0)
    new_room(person)


def test_reading_on_one_device_clears_the_number_on_the_other(people: People) -> None:
    desk, laptop, boris = (people.at_desk(name) for name in ("anna", "anna", "boris"))
    look_elsewhere(desk)
    look_elsewhere(laptop)
    news = [said("one"), said("two"), said("three")]
    for text in news:
        boris.write(text)
        boris.sees_state(text, "stored")
    for device in (desk, laptop):
        expect(badge(device)).to_have_attribute("data-count", "3")

    laptop.enter("general")
    laptop.sees(news[-1])
    expect(badge(desk)).to_have_count(0)

    desk.page.reload()
    expect(desk.page.get_by_test_id("room-list")).to_be_visible()
    expect(badge(desk)).to_have_count(0)
