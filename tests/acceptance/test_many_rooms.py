"""What a person in very many rooms sees, and rooms while the log or the worker is down."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import expect

from localstack.running_stack import RunningStack
from tests.acceptance.axe import faults
from tests.acceptance.people import PATIENCE_MS, People, Person
from tests.acceptance.test_conversation import said
from tests.acceptance.test_writing import new_room

PASSWORD = "tall-Oak-42-river"
# A newcomer in more rooms than are shown without asking, the oldest of them archived. It is the one
# that is not among those that were entered a moment ago, which are always shown.
MAKE_ROOMS = """
import asyncio, time
from chat.actions import moderation, rooms
from chat.actions.event_loop import run_actions
from chat.audit.entries import Actor, Channel
from chat.events import RoomKind
from chat.models import Membership, Room, User
from chat.queries import room_list

carla = User.objects.create_user("{name}", password="{password}")

def room(number):
    return rooms.create_room(carla.pk, f"{name} room {{number}}", RoomKind.PRIVATE)

async def make():
    made = [await room(0)]
    # Several at once, so that they are stored in few batches; not so many that one waits in vain
    # for the database.
    while len(made) <= room_list.EVERYTHING_UP_TO:
        left = room_list.EVERYTHING_UP_TO + 1 - len(made)
        made += await asyncio.gather(*(room(len(made) + one) for one in range(min(8, left))))
    by = Actor(user_id=carla.pk, channel=Channel.WEB)
    await moderation.archive_room(by, made[0].pk, archived=True)
    return made

made = run_actions(make())
deadline = time.monotonic() + 240
stored = Membership.objects.filter(user=carla)
archived = Room.objects.filter(pk=made[0].pk).exclude(archived_at=None)
while stored.count() < len(made) or not archived.exists():
    assert time.monotonic() < deadline, "The worker stores nothing."
    time.sleep(0.1)  # between two looks at what another process does
"""


def test_archived_room_of_somebody_with_many_is_found_and_opened(
    people: People, stack: RunningStack
) -> None:
    name = f"carla{uuid.uuid4().hex[:8]}"
    stack.shell(MAKE_ROOMS.format(name=name, password=PASSWORD))
    carla = people.at_desk(name, password=PASSWORD)
    page = carla.page
    archived = f"{name}-room-0"
    in_sidebar = page.locator(f"[data-testid=room-item][data-room-slug={archived}]")
    expect(page.get_by_test_id("room-item")).to_have_count(200, timeout=PATIENCE_MS)
    expect(in_sidebar).to_have_count(0)

    page.get_by_test_id("further-rooms").click()
    further = page.get_by_test_id("further-room")
    expect(further).to_have_count(1)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert faults(page) == []
    page.get_by_test_id("further-query").fill("no such room")
    expect(further).to_have_count(0)
    page.get_by_test_id("further-query").fill("ROOM 0")
    expect(further).to_have_count(1)
    further.click()

    expect(page.get_by_test_id("room-title")).to_have_text(f"{name} room 0")
    assert page.url.endswith(f"#/{archived}")
    expect(in_sidebar).to_be_visible()


@contextmanager
def stopped(stack: RunningStack, part: str) -> Iterator[None]:
    """A process that hangs: it takes connections and answers nothing."""
    stack.send_signal(part, signal.SIGSTOP)
    try:
        yield
    finally:
        stack.send_signal(part, signal.SIGCONT)


def opens(person: Person, slug: str) -> None:
    person.page.locator(f"[data-testid=room-item][data-room-slug={slug}]").click()


def test_room_opened_while_the_log_hangs_shows_all_of_it_when_it_answers_again(
    people: People, stack: RunningStack
) -> None:
    anna = people.at_desk("anna")
    slug = new_room(anna)
    stored = [said(f"stored {number}") for number in range(3)]
    for text in stored:
        anna.write(text)
    anna.sees_state(stored[-1], "stored")
    # In the log alone, so that a page of what is stored ends before them.
    with stopped(stack, "worker"):
        logged = [said(f"logged {number}") for number in range(3)]
        for text in logged:
            anna.write(text)
        anna.sees_state(logged[-1], "logged")
        anna.page.goto(f"{people.address}/#/general")
        anna.page.reload()
        expect(anna.page.get_by_test_id("composer")).to_be_visible()
        with stopped(stack, "log"):
            opens(anna, slug)
            expect(anna.page.get_by_text("Messages could not be loaded.")).to_be_visible()
            expect(anna.page.get_by_test_id("message")).to_have_count(0)

        anna.sees_in_order(stored + logged)
        expect(anna.page.get_by_test_id("message")).to_have_count(6)
    anna.sees_state(logged[-1], "stored")


def test_new_room_has_its_owner_before_it_is_stored(people: People, stack: RunningStack) -> None:
    anna = people.at_desk("anna")
    panel = anna.page.get_by_test_id("members")

    with stopped(stack, "worker"):
        new_room(anna)
        expect(panel.get_by_role("heading", name="1 member")).to_be_visible()
        expect(panel.locator("[data-testid=member][data-user=anna]")).to_contain_text("owner")

    expect(panel.get_by_test_id("member")).to_have_count(1)
