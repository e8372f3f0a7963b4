"""Going to rooms and people by typing: one list that arrows go through, wherever one chooses."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.acceptance.people import People
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room


def test_control_k_leads_to_rooms_and_people_by_a_few_letters(people: People) -> None:
    anna = people.at_desk("anna")
    new_room(anna)

    anna.page.keyboard.press("Control+k")
    anna.page.get_by_test_id("jump-query").press_sequentially("gnrl")
    expect(anna.page.locator("[aria-selected=true]")).to_contain_text("General")
    anna.page.keyboard.press("Enter")
    expect(anna.page.get_by_test_id("room-title")).to_have_text("General")

    anna.page.keyboard.press("Control+k")
    anna.page.get_by_test_id("jump-query").fill("@bori")
    place = anna.page.locator("[data-testid=place]").filter(has_text="@boris")
    expect(place).to_be_visible()
    anna.page.keyboard.press("Enter")
    expect(anna.page.get_by_test_id("room-title")).to_contain_text("Boris")


def test_enter_takes_what_the_arrows_have_gone_to(people: People) -> None:
    anna = people.at_desk("anna")
    both = said("either")
    for one in ("one", "two"):
        new_room(anna, f"{both} {one}")
    page = anna.page

    page.keyboard.press("Control+k")
    page.get_by_test_id("jump-query").fill(both)
    places = page.get_by_test_id("place")
    expect(places).to_have_count(3)  # the last one searches the messages
    second = places.nth(1).get_attribute("data-place")
    page.keyboard.press("ArrowDown")
    expect(places.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")

    expect(page.get_by_test_id("dialog")).to_have_count(0)
    assert page.url.endswith(f"#/{second}")


def test_same_keys_choose_in_browse_invite_and_new_message(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris", color_scheme="dark")
    slug = new_room(anna)
    text = said("what it is about")
    anna.write(text)
    anna.sees_state(text, "stored")

    boris.page.get_by_test_id("browse-rooms").click()
    boris.page.get_by_test_id("room-query").fill(slug.replace("-", " "))
    expect(boris.page.get_by_test_id("public-room")).to_have_count(1)
    boris.page.keyboard.press("Enter")
    boris.sees(text)

    slug = new_room(boris)
    invite = boris.page.get_by_test_id("invite")
    if not invite.is_visible():
        boris.page.get_by_test_id("presence").click()
    invite.click()
    boris.page.get_by_test_id("people-query").fill("@anna")
    person = boris.page.locator("[data-testid=person][data-user=anna]")
    expect(person).to_have_attribute("aria-selected", "true")
    boris.page.keyboard.press("Enter")
    expect(person).to_contain_text("Invited")
    expect(anna.page.locator(f"[data-room-slug={slug}]")).to_be_visible()
    boris.page.keyboard.press("Escape")

    boris.page.get_by_test_id("new-direct").click()
    boris.page.get_by_test_id("people-query").fill("anna")
    expect(person).to_be_visible()
    boris.page.keyboard.press("Enter")
    expect(boris.page.get_by_test_id("room-title")).to_contain_text("Anna")


def test_conversation_that_was_only_opened_is_not_shown_to_the_other(people: People) -> None:
    anna, eva = people.at_desk("anna"), people.newcomer(said("eva").replace(" ", "-"))
    eva.page.keyboard.press("Control+k")
    eva.page.get_by_test_id("jump-query").fill("@anna")
    expect(eva.page.locator("[data-place='@anna']")).to_be_visible()
    eva.page.keyboard.press("Enter")
    expect(eva.page.get_by_test_id("room-title")).to_contain_text("Anna")
    address = eva.page.url.rpartition("#/")[2]
    theirs = anna.page.locator(f"[data-room-slug={address}]")
    anna.page.reload()
    expect(anna.page.get_by_test_id("composer")).to_be_visible()
    expect(theirs).to_have_count(0)

    eva.write(said("the first word"))

    expect(theirs.get_by_test_id("unread")).to_be_visible()
