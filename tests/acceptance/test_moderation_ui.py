"""Members of a room and its moderators: what each of them sees of acts of moderation."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from playwright.sync_api import Locator, Page, expect

from localstack.running_stack import RunningStack
from tests.acceptance.conftest import SHOTS
from tests.acceptance.people import PATIENCE_MS, People, Person

PHONE = {"is_mobile": True, "has_touch": True}
# The demo accounts are two people.
NEWCOMER = "clara"
MAKE_NEWCOMER = """
from chat.models import User
user, _ = User.objects.get_or_create(username={name!r}, display_name={name!r}.title())
user.set_password({password!r})
user.save()
"""

Shoot = Callable[[Person, str], None]


@pytest.fixture(scope="module")
def newcomer(stack: RunningStack) -> str:
    """A third account; its name."""
    password = secrets.token_urlsafe(12)
    stack.shell(MAKE_NEWCOMER.format(name=NEWCOMER, password=password))
    accounts = stack.accounts() | {NEWCOMER: password}
    (stack.folder / "var" / "demo-accounts.json").write_text(json.dumps(accounts))
    return NEWCOMER


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Shoot:
    """Keeps a screenshot from the middle of a test, beside those of its end."""

    def take(person: Person, what: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        person.page.screenshot(path=SHOTS / f"{request.node.name}-{person.name}-{what}.png")

    return take


def found(owner: Person, *others: Person) -> str:
    """Makes a public room with `others` in it; its name."""
    name = f"Square {uuid.uuid4().hex[:6]}"
    page = owner.page
    page.get_by_test_id("create-room").click()
    page.get_by_test_id("new-room-name").fill(name)
    page.get_by_test_id("create").click()
    arrives(page, name)
    owner.write("Welcome to the square.")
    owner.sees_state("Welcome to the square.", "stored")  # so that the others find the room
    for person in others:
        join(person.page, name)
        arrives(person.page, name)
    return name


def join(page: Page, room: str) -> None:
    menu = page.get_by_test_id("open-menu")
    if menu.is_visible():  # on a phone the rooms are in a drawer
        menu.click()
    page.get_by_test_id("browse-rooms").click()
    page.get_by_test_id("room-query").fill(room)
    page.get_by_test_id("public-room").filter(has_text=room).click()


def arrives(page: Page, room: str) -> None:
    expect(page.get_by_test_id("room-title")).to_have_text(room, timeout=PATIENCE_MS)
    expect(page.get_by_test_id("composer")).to_be_visible(timeout=PATIENCE_MS)


def appears(page: Page, test_id: str) -> Locator:
    thing = page.get_by_test_id(test_id)
    expect(thing).to_be_visible(timeout=PATIENCE_MS)
    return thing


def choose(person: Person, text: str, what: str) -> None:
    """An item of the menu of the message with `text`, by mouse or by finger."""
    message = person.message(text)
    if person.page.evaluate("matchMedia('(hover: hover)').matches"):
        message.hover()
    else:
        message.tap()
    message.get_by_test_id("more").click()
    person.page.get_by_test_id(f"menu-{what}").click()


def act_on(person: Person, member: str, what: str) -> None:
    """An item of the menu of a member."""
    actions = person.page.get_by_test_id("member-actions")
    actions.and_(person.page.locator(f"[data-user={member}]")).click()
    person.page.get_by_test_id(f"menu-{what}").click()


def test_report_is_resolved_by_a_mute_and_the_reporter_is_told(
    people: People, newcomer: str, shoot: Shoot
) -> None:
    anna = people.at_desk("anna")
    boris = people.on_phone("boris", **PHONE)
    clara = people.at_desk(newcomer, color_scheme="dark")
    found(anna, boris, clara)
    boris.write("Cheap watches at example.org")

    clara.sees("Cheap watches")
    choose(clara, "Cheap watches", "report")
    clara.page.get_by_test_id("category-spam").check()
    clara.page.get_by_test_id("report-note").fill("The third time this week.")
    shoot(clara, "reporting")
    clara.page.get_by_test_id("report-send").click()
    appears(clara.page, "report-sent")
    clara.page.get_by_test_id("report-done").click()
    appears(clara.page, "you-reported")

    # Pages ask every 30 s, and when somebody comes back to the window.
    anna.page.evaluate("dispatchEvent(new Event('focus'))")
    appears(anna.page, "room-reports").click()
    report = appears(anna.page, "report")
    expect(report).to_contain_text("The third time this week.")
    anna.page.get_by_test_id("take").click()
    expect(report).to_have_attribute("data-state", "assigned", timeout=PATIENCE_MS)
    shoot(anna, "queue")
    anna.page.get_by_test_id("resolve").click()
    anna.page.get_by_test_id("resolve-member.mute").check()
    anna.page.get_by_test_id("mute-3600").check(force=True)  # a pill covers the radio button
    expect(anna.page.get_by_test_id("act-preview")).to_contain_text("Boris cannot write")
    anna.page.get_by_test_id("act-reason").fill("Advertising")
    anna.page.get_by_test_id("report-answer").fill("Thank you for telling us.")
    shoot(anna, "resolving")
    anna.page.get_by_test_id("confirm").click()
    appears(anna.page, "no-reports")
    anna.page.keyboard.press("Escape")

    expect(appears(clara.page, "report-outcome")).to_contain_text("Thank you for telling us.")
    shoot(clara, "told")
    clara.page.get_by_test_id("account").click()
    clara.page.get_by_test_id("my-reports").click()
    mine = clara.page.get_by_test_id("my-report").first
    expect(mine).to_have_attribute("data-state", "resolved", timeout=PATIENCE_MS)
    expect(clara.page.get_by_test_id("unseen-answers")).to_have_count(0, timeout=PATIENCE_MS)
    clara.page.reload()
    expect(clara.page.get_by_test_id("message").first).to_be_visible(timeout=PATIENCE_MS)
    expect(clara.page.get_by_test_id("report-outcome")).to_have_count(0, timeout=PATIENCE_MS)

    expect(appears(boris.page, "muted-notice")).to_contain_text("You are muted in this room until")
    expect(boris.page.get_by_test_id("composer")).to_have_count(0)
    shoot(boris, "muted")
    boris.page.reload()
    appears(boris.page, "muted-notice")
    act_on(anna, "boris", "member.unmute")
    anna.page.get_by_test_id("confirm").click()
    appears(boris.page, "composer")
    boris.write("I will behave.")
    anna.sees("I will behave.")


def test_slow_mode_counts_down_and_keeps_what_comes_too_soon(people: People, shoot: Shoot) -> None:
    anna, boris = people.at_desk("anna"), people.on_phone("boris", color_scheme="dark", **PHONE)
    found(anna, boris)

    anna.page.get_by_test_id("room-settings").click()
    anna.page.get_by_test_id("slow-mode").select_option("3600")
    anna.page.get_by_test_id("save-room").click()
    line = appears(boris.page, "slow-mode-line")
    expect(line).to_have_attribute("data-wait", "0")
    boris.write("The first")
    boris.sees_state("The first", "stored")
    boris.write("Too soon")

    boris.sees_state("Too soon", "waiting")
    expect(line).to_contain_text("Your message is kept and will be sent in", timeout=PATIENCE_MS)
    shoot(boris, "waiting")
    boris.page.reload()
    boris.sees_state("Too soon", "waiting")
    expect(line).to_contain_text("Your message is kept and will be sent in", timeout=PATIENCE_MS)
    anna.write("Owners do not wait")
    anna.write("at all")
    boris.sees("at all")
    expect(anna.message("Too soon")).to_have_count(0)

    anna.page.get_by_test_id("room-settings").click()
    anna.page.get_by_test_id("slow-mode").select_option("0")
    anna.page.get_by_test_id("save-room").click()
    anna.sees("Too soon")
    boris.sees_state("Too soon", "stored")
    expect(line).to_have_count(0)


def test_moderator_removes_a_message_and_puts_somebody_out(
    people: People, newcomer: str, shoot: Shoot
) -> None:
    anna = people.at_desk("anna")
    boris = people.at_desk("boris", color_scheme="dark")
    clara = people.on_phone(newcomer, **PHONE)
    room = found(anna, boris, clara)
    boris.write("Something unkind")
    expect(clara.page.get_by_test_id("room-settings")).to_be_visible()

    act_on(anna, newcomer, "member.role")
    anna.page.get_by_test_id("role-moderator").check(force=True)
    anna.page.get_by_test_id("confirm").click()
    expect(clara.page.get_by_test_id("system-line").last).to_contain_text("made Clara a moderator")
    choose(clara, "Something unkind", "message.delete")
    clara.page.get_by_test_id("act-reason").fill("Unkind")
    shoot(clara, "removing")
    clara.page.get_by_test_id("confirm").click()
    boris.sees("This message was removed by a moderator")
    expect(boris.message("Something unkind")).to_have_count(0)
    boris.page.reload()
    boris.sees("This message was removed by a moderator")

    choose(anna, "This message was removed by a moderator", "message.restore")
    anna.page.get_by_test_id("confirm").click()
    boris.sees("Something unkind")

    clara.page.get_by_test_id("presence").click()
    act_on(clara, "boris", "member.ban")
    expect(clara.page.get_by_test_id("act-preview")).to_contain_text("They cannot come back")
    clara.page.get_by_test_id("act-reason").fill("Unkind again")
    shoot(clara, "banning")
    clara.page.get_by_test_id("confirm").click()
    expect(appears(boris.page, "toasts")).to_contain_text(f"You were banned from #{room}")
    appears(boris.page, "empty-state")
    shoot(boris, "put-out")
    join(boris.page, room)
    expect(appears(boris.page, "toasts")).to_contain_text("You are not allowed to do this")
    boris.page.keyboard.press("Escape")

    unban = appears(anna.page, "unban")
    unban.click()
    anna.page.get_by_test_id("confirm").click()
    expect(unban).to_have_count(0)
    join(boris.page, room)
    arrives(boris.page, room)

    anna.page.get_by_test_id("room-settings").click()
    anna.page.get_by_test_id("open-audit").click()
    deeds = anna.page.get_by_test_id("deed")
    expect(deeds).to_have_count(5, timeout=PATIENCE_MS)
    assert [deed.get_attribute("data-action") for deed in deeds.all()] == [
        "member.unban",
        "member.ban",
        "message.restore",
        "message.delete",
        "member.role",
    ]
    expect(deeds.nth(1)).to_contain_text("Unkind again")
    shoot(anna, "record")


def test_room_full_of_tables_too_large_to_show_opens_and_its_owner_removes_them(
    people: People,
) -> None:
    anna = people.at_desk("anna")
    room = found(anna)
    address = anna.page.url
    anna.page.goto("about:blank")
    # Each row is a bare pipe, and would be 181 cells.
    table = f"{'a|' * 181}\n{'-|' * 181}\n{'|' + chr(10)}" + "|\n" * 361
    bombs = [f"bomb {number}\n\n" + "\n".join([table] * 5) for number in range(3)]
    items = "\n".join(f"- {number}" for number in range(900))
    lists = [f"list {number}\n\n{items}" for number in range(9)]
    texts = [*bombs, *lists, "the **last** word"]
    # Not at a page of boris's: while it draws one of them, one cannot type the next.
    people.post("boris", *texts, room=unquote(address.rpartition("#/")[2]))

    anna.page.goto(address)
    arrives(anna.page, room)
    anna.sees("the last word")

    assert anna.page.evaluate("document.querySelectorAll('*').length") < 20_000
    expect(anna.message("the last word").locator("strong")).to_have_count(1)
    plain = anna.message("list 8")
    expect(plain.locator("li")).to_have_count(0)
    plain.get_by_test_id("whole-message").click()
    expect(plain.get_by_test_id("message-body")).to_contain_text("- 899")
    plain.get_by_test_id("format-message").click()
    expect(plain.locator("li")).to_have_count(900)
    choose(anna, "bomb 1", "message.delete")
    anna.page.get_by_test_id("act-reason").fill("Too large")
    anna.page.get_by_test_id("confirm").click()
    expect(anna.message("bomb 1")).to_have_count(0)


def test_search_finds_a_message_and_jumps_to_it(people: People, shoot: Shoot) -> None:
    anna = people.at_desk("anna")
    word = f"needle{uuid.uuid4().hex[:8]}"
    found(anna)
    anna.write(f"Here is the {word} in the hay")
    anna.sees_state(word, "stored")
    anna.enter("general")

    anna.page.keyboard.press("Control+Shift+F")
    anna.page.get_by_test_id("search-query").fill(word)
    appears(anna.page, "search-none")
    anna.page.get_by_test_id("search-everywhere").click()
    result = appears(anna.page, "search-result")
    expect(result.locator("mark")).to_have_text(word)
    shoot(anna, "found")
    anna.page.keyboard.press("ArrowDown")
    anna.page.get_by_test_id("search-query").press("ArrowDown")
    anna.page.keyboard.press("Enter")

    anna.sees(f"Here is the {word}")
    expect(anna.page.get_by_test_id("dialog")).to_have_count(0)
