"""What is new to somebody: one number, whichever of their devices they look at."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.acceptance.people import People, Person
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room

# As a program of one's own would, with a key for each message.
POST = """async (texts) => {
    const { csrfToken } = JSON.parse(document.getElementById("veche-page").textContent);
    const rooms = await (await fetch("/api/v1/rooms")).json();
    const general = rooms.find((room) => room.slug === "general").id;
    const headers = { "Content-Type": "application/json" };
    const stamp = Date.now().toString(16).padStart(12, "0");
    for (const text of texts) {
        const made = crypto.randomUUID();
        const key = `${stamp.slice(0, 8)}-${stamp.slice(8)}-7${made.slice(15)}`;
        await fetch(`/api/v1/rooms/${general}/messages`, {
            method: "POST",
            headers: { ...headers, "X-CSRFToken": csrfToken, "Idempotency-Key": key },
            body: JSON.stringify({ body: text }),
        });
    }
}"""


def badge(person: Person) -> Locator:
    """The number of unread messages beside the name of #general."""
    return person.page.locator("[data-room-slug=general] [data-testid=unread]")


def look_elsewhere(person: Person) -> None:
    """To a room of their own, once all of #general is read."""
    person.enter("general")
    person.page.keyboard.press("Escape")
    expect(badge(person)).to_have_count(0)
    new_room(person)


def test_reading_on_one_device_clears_the_number_on_the_other(people: People) -> None:
    desk, laptop = people.at_desk("anna"), people.at_desk("anna")
    look_elsewhere(desk)
    look_elsewhere(laptop)
    news = [said("one"), said("two"), said("three")]
    people.post("boris", *news)
    for device in (desk, laptop):
        expect(badge(device)).to_have_attribute("data-count", "3")

    laptop.enter("general")
    laptop.sees(news[-1])
    expect(badge(desk)).to_have_count(0)

    desk.page.reload()
    expect(desk.page.get_by_test_id("room-list")).to_be_visible()
    expect(badge(desk)).to_have_count(0)


def test_own_messages_from_elsewhere_and_deleted_ones_are_not_counted(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    look_elsewhere(anna)
    own, first, second = said("by a program"), said("one"), said("two")
    anna.page.evaluate(POST, [own, f"{own} too"])
    boris.sees(f"{own} too")
    expect(badge(anna)).to_have_count(0)
    for text in (first, second):
        boris.write(text)
        boris.sees_state(text, "stored")
    expect(badge(anna)).to_have_attribute("data-count", "2")

    delete(boris, first)
    expect(badge(anna)).to_have_attribute("data-count", "1")
    anna.page.reload()
    expect(badge(anna)).to_have_attribute("data-count", "1")
    delete(boris, second)
    expect(badge(anna)).to_have_count(0)


def test_message_marked_unread_stays_so_on_all_devices_until_somebody_reads_on(
    people: People,
) -> None:
    desk, laptop = people.at_desk("anna"), people.at_desk("anna")
    look_elsewhere(laptop)
    _, second, third = news = [said("one"), said("two"), said("three")]
    people.post("boris", *news)
    desk.enter("general")
    desk.sees(third)
    expect(badge(laptop)).to_have_count(0)

    desk.message(second).hover()
    desk.message(second).get_by_test_id("more").click()
    desk.page.get_by_test_id("menu-unread").click()
    for device in (desk, laptop):
        expect(badge(device)).to_have_attribute("data-count", "2")
    expect(desk.page.get_by_test_id("new-divider")).to_be_visible()
    laptop.page.reload()
    expect(badge(laptop)).to_have_attribute("data-count", "2")
    expect(badge(desk)).to_have_attribute("data-count", "2")

    laptop.enter("general")
    laptop.sees(third)
    for device in (laptop, desk):
        expect(badge(device)).to_have_count(0)


def test_mark_that_is_made_offline_by_key_arrives_later(people: People) -> None:
    desk, phone = people.at_desk("anna"), people.on_phone("anna")
    news = [said("one"), said("two")]
    people.post("boris", *news)
    desk.enter("general")
    desk.sees(news[-1])
    expect(badge(desk)).to_have_count(0)

    desk.goes_offline()
    desk.page.get_by_test_id("composer").press("Shift+Tab")
    desk.page.keyboard.press("u")
    expect(badge(desk)).to_have_attribute("data-count", "1")
    desk.comes_back()

    expect(badge(phone)).to_have_attribute("data-count", "1")


def test_all_rooms_are_read_at_once_and_put_back_exactly(people: People) -> None:
    desk, laptop = people.at_desk("anna"), people.at_desk("anna")
    look_elsewhere(desk)
    look_elsewhere(laptop)
    people.post("boris", said("one"), said("two"))
    expect(badge(desk)).to_have_attribute("data-count", "2")

    desk.page.keyboard.press("Shift+Escape")
    for device in (desk, laptop):
        expect(badge(device)).to_have_count(0)
    desk.page.get_by_test_id("toast-action").click()
    for device in (desk, laptop):
        expect(badge(device)).to_have_attribute("data-count", "2")

    # One room, by the keyboard alone.
    item = laptop.page.locator("[data-testid=room-item][data-room-slug=general]")
    item.focus()
    laptop.page.keyboard.press("ArrowRight")
    laptop.page.keyboard.press("Enter")
    laptop.page.get_by_test_id("menu-read").press("Enter")
    for device in (desk, laptop):
        expect(badge(device)).to_have_count(0)


def test_room_that_opens_at_its_end_is_read_only_from_its_first_unread_message_on(
    people: People,
) -> None:
    desk, laptop = people.at_desk("anna"), people.at_desk("anna")
    look_elsewhere(desk)
    look_elsewhere(laptop)
    news = [said(f"number {number}") for number in range(120)]
    people.post("boris", *news)
    expect(badge(laptop)).to_have_attribute("data-count", "120")

    desk.enter("general")
    expect(desk.message(news[-1])).to_be_in_viewport()
    to_first = desk.page.get_by_test_id("jump-unread")
    expect(to_first).to_have_attribute("data-count", "120")
    desk.page.get_by_test_id("message-list").hover()
    desk.page.mouse.wheel(0, -200)
    expect(desk.message(news[-1])).not_to_be_in_viewport()
    expect(to_first).to_have_attribute("data-count", "120")
    expect(badge(laptop)).to_have_attribute("data-count", "120")

    to_first.click()
    expect(desk.message(news[0])).to_be_in_viewport()
    expect(to_first).to_have_count(0)
    for device in (desk, laptop):
        expect(badge(device)).not_to_have_attribute("data-count", "120")
        expect(badge(device)).to_be_visible()
    desk.page.get_by_test_id("jump-latest").click()
    for device in (desk, laptop):
        expect(badge(device)).to_have_count(0)


def delete(person: Person, text: str) -> None:
    person.message(text).hover()
    person.message(text).get_by_test_id("delete").click()
    person.page.get_by_test_id("confirm").click()
    expect(person.message(text)).to_have_count(0)
