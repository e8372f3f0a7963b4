"""How people come to a room and to each other: links, names, and a connection that was lost."""

from __future__ import annotations

from playwright.sync_api import expect

from localstack.running_stack import RunningStack
from tests.acceptance.people import PATIENCE_MS, People
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def test_link_into_a_public_room_shows_it_and_leads_to_the_message_once_joined(
    people: People,
) -> None:
    anna, boris = people.at_desk("anna"), people.on_phone("boris", color_scheme="dark")
    slug = new_room(anna)
    text = said("read this")
    anna.write(text)
    anna.sees_state(text, "stored")
    link = f"{people.address}/#/{slug}/{anna.message(text).get_attribute('data-seq')}"

    boris.page.goto(link)
    offer = boris.page.get_by_test_id("join-room")
    expect(offer).to_contain_text(slug.replace("-", " "), ignore_case=True)
    expect(offer).to_contain_text("1 member")
    boris.page.get_by_test_id("join").click()

    expect(boris.message(text)).to_be_in_viewport()
    assert boris.page.url == link


def test_link_that_leads_nowhere_says_so(people: People) -> None:
    anna = people.at_desk("anna")

    for address in ("no-such-room", "%00", "x" * 300):
        anna.page.goto(f"{people.address}/#/{address}")
        expect(anna.page.get_by_test_id("empty-state")).to_contain_text("Nothing here")


def test_room_opened_without_a_connection_shows_its_messages_when_it_is_back(
    people: People,
) -> None:
    anna = people.at_desk("anna")
    text = said("was here before")
    anna.write(text)
    anna.sees_state(text, "stored")
    slug = new_room(anna)
    anna.page.reload()
    expect(anna.page.get_by_test_id("room-title")).to_be_visible()
    assert anna.page.url.endswith(slug)
    anna.goes_offline()
    anna.page.get_by_test_id("status-bar").get_by_role("button").wait_for()

    anna.enter("general")
    expect(anna.page.get_by_text("Messages could not be loaded.")).to_be_visible()
    anna.comes_back()

    expect(anna.message(text)).to_be_in_viewport(timeout=PATIENCE_MS)
    expect(anna.page.get_by_text("Messages could not be loaded.")).to_have_count(0)


def test_conversation_with_a_deactivated_person_says_that_nobody_reads_it(
    people: People, stack: RunningStack
) -> None:
    anna = people.at_desk("anna")
    name = said("gone").replace(" ", "-")
    make = f"User.objects.create_user('{name}')"
    stack.shell(f"from chat.models import User; {make}")
    anna.page.get_by_test_id("new-direct").click()
    anna.page.get_by_test_id("people-query").fill(f"@{name}")
    anna.page.locator(f"[data-testid=person][data-user={name}]").click()
    expect(anna.page.get_by_test_id("room-title")).to_contain_text(name)
    expect(anna.page.get_by_test_id("composer")).to_be_visible()

    switch = f"from chat.models import User; u = User.objects.get(username='{name}'); "
    stack.shell(switch + "u.is_active = False; u.save()")

    notice = anna.page.get_by_test_id("deactivated-notice")
    expect(notice).to_contain_text("nobody will read what you write here")
    expect(anna.page.get_by_test_id("composer")).to_have_count(0)
    anna.page.reload()
    expect(notice).to_be_visible()
    stack.shell(switch + "u.is_active = True; u.save()")
    expect(anna.page.get_by_test_id("composer")).to_be_visible()


def test_rooms_of_one_name_are_told_apart_by_their_address(people: People) -> None:
    anna = people.at_desk("anna")
    slug = new_room(anna)
    title = anna.page.get_by_test_id("room-title")
    name = title.inner_text()
    anna.page.get_by_test_id("create-room").click()
    anna.page.get_by_test_id("new-room-name").fill(name.upper())
    anna.page.get_by_test_id("create").click()

    expect(title).to_contain_text(f"{name.upper()} ({slug}-")
    items = anna.page.get_by_test_id("room-item").filter(has_text=name)
    expect(items).to_have_count(2)
    expect(items.filter(has_text=f"({slug})")).to_have_count(1)


def test_rooms_whose_names_look_alike_are_told_apart_by_their_addresses(people: People) -> None:
    anna = people.at_desk("anna")
    suffix = said("").strip()
    names = [f"coco {suffix}", f"сосо {suffix}"]  # the second one is Cyrillic
    slugs = [new_room(anna, name) for name in names]

    in_sidebar = [
        anna.page.locator(f"[data-testid=room-item][data-room-slug='{slug}']") for slug in slugs
    ]
    for item, slug in zip(in_sidebar, slugs, strict=True):
        expect(item).to_contain_text(f"({slug})")
    anna.page.get_by_test_id("browse-rooms").click()
    anna.page.get_by_test_id("room-query").fill(suffix)
    found = anna.page.get_by_test_id("public-room")
    expect(found).to_have_count(2)
    for slug in slugs:
        expect(found.filter(has_text=f"({slug})")).to_have_count(1)
