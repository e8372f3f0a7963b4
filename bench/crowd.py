"""Fills a room with people and messages, or keeps posting in it: a process beside a running stack.

    python -m bench.crowd make NAME OWNER MEMBERS MESSAGES
    python -m bench.crowd talk ROOM RATE

`make` prints a line of JSON, {"room": id, "slug": slug}, when everything is in PostgreSQL. `talk`
posts RATE messages a second, as the first members in turn, until its input ends. It prints a line
when the first message is logged, and the number of messages at the end. Both go through the room
log like everybody, but without the limits of one person.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, cycle, islice

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
django.setup()

from asgiref.sync import sync_to_async  # noqa: E402 - Django first
from uuid_utils.compat import uuid7  # noqa: E402

from chat import room_log  # noqa: E402
from chat.actions import rooms  # noqa: E402
from chat.actions.event_loop import run_actions  # noqa: E402
from chat.events import (  # noqa: E402
    EventData,
    EventType,
    MemberJoined,
    MessagePosted,
    RoomKind,
)
from chat.management import seed_texts  # noqa: E402
from chat.models import Membership, Room, User  # noqa: E402
from chat.names import look_alikes  # noqa: E402
from chat.room_log import NewEvent  # noqa: E402

STORED_WITHIN_SECONDS = 300.0
APPENDS_AT_ONCE = 500
SPEAKERS = 20


async def make(name: str, owner: str, members: int, messages: int) -> None:
    """A public room of `members` people, with `owner` among them, and `messages` messages."""
    owner_id = (await User.objects.aget(username=owner)).pk
    others = await sync_to_async(people)(name, members - 1)
    room = await rooms.create_room(owner_id, name, RoomKind.PUBLIC)
    joins = [
        event(room.pk, other, EventType.MEMBER_JOINED, MemberJoined(user=other)) for other in others
    ]
    posts = islice(messages_of(room.pk, others[:SPEAKERS]), messages)
    head = await append_all([*joins, *posts])
    await sync_to_async(wait_until_stored)(room.pk, head)
    tell(json.dumps({"room": room.pk, "slug": room.slug}))


def people(name: str, number: int) -> list[int]:
    """New people, whose names look like nobody else's."""
    made = []
    for one in range(number):
        username, shown = f"{name}-{one:05}".lower(), f"{seed_texts.person(one)[1]} of {name}"
        user = User(username=username, display_name=shown)
        user.name_skeletons = sorted(look_alikes.skeletons(shown))
        user.username_skeletons = sorted(look_alikes.skeletons(username))
        made.append(user)
    User.objects.bulk_create(made, batch_size=1_000)
    return [user.pk for user in made]


def messages_of(room: int, speakers: Sequence[int]) -> Iterator[NewEvent]:
    """Endless messages, in the order in which to post them."""
    for number, speaker in zip(count(), cycle(speakers), strict=False):
        body = f"Message {number:,} with **bold** and `code`. {number * 7919} things to read."
        yield event(room, speaker, EventType.MESSAGE_POSTED, MessagePosted(body=body))


def event(room: int, actor: int, kind: EventType, data: EventData) -> NewEvent:
    return NewEvent(room=room, type=kind, data=data, actor=actor, key=str(uuid7()))


async def append_all(events: Iterable[NewEvent]) -> int:
    """Append `events`; returns the last position."""
    last = 0
    left = iter(events)
    while batch := list(islice(left, APPENDS_AT_ONCE)):
        for appended in await asyncio.gather(*(room_log.append(one) for one in batch)):
            last = max(last, appended.event.seq)
    return last


def wait_until_stored(room: int, head: int) -> None:
    deadline = time.monotonic() + STORED_WITHIN_SECONDS
    while Room.objects.get(pk=room).stored_seq < head:
        assert time.monotonic() < deadline, "The worker stores nothing."
        time.sleep(0.1)  # between two looks at another process's work


async def talk(room: int, rate: float) -> None:
    """Post at `rate` on average: late messages are caught up."""
    members = Membership.objects.filter(room=room, role="member").order_by("user_id")
    speakers = [one async for one in members.values_list("user_id", flat=True)[:SPEAKERS]]
    messages = messages_of(room, speakers)
    await room_log.append(next(messages))
    tell("talking")
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    posting: set[asyncio.Task[room_log.Appended]] = set()
    began = time.monotonic()
    posted = 1
    for one in messages:
        wait = began + posted / rate - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        if ended.done():
            break
        if len(posting) >= APPENDS_AT_ONCE:
            await asyncio.wait(posting, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(room_log.append(one))
        posting.add(task)
        task.add_done_callback(posting.discard)
        posted += 1
    await asyncio.gather(*posting)
    tell(str(posted))


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", name, owner, members, messages]:
            run_actions(make(name, owner, int(members), int(messages)))
        case ["talk", room, rate]:
            run_actions(talk(int(room), float(rate)))
        case _:
            sys.exit(__doc__)
