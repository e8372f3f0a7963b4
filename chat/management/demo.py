"""Fills an installation with demo people, rooms and messages, through the same log as everybody's.

All of it is derived from numbers: person 7, room 3, message 1,200 are always the same, under the
same idempotency keys. So repeating a run, even one that was cut off, adds only what is missing.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.contrib.auth.hashers import make_password

from chat import room_log
from chat.accounts import shown_names
from chat.actions import onboarding, room_limit, rooms
from chat.actions.rooms import derived_key
from chat.errors import ClientError, Unavailable
from chat.events import EventType, MemberJoined, MessagePosted, Reaction, RoomKind
from chat.management import seed_texts
from chat.models import RoomEvent, User
from chat.room_log import NewEvent
from chat.room_log.appender import Unchanged
from chat.servers.postgres import in_database

# Every key is derived from this one, a UUIDv7 of 2026-01-01.
BASE_KEY = uuid.UUID("019b76da-a800-7000-8000-000000000000")
# Enough to fill the log's batches without filling its queue.
BATCH_EVENTS = 500
# The log may be busy with people's events; a batch is then sent again with the same keys.
MAX_ATTEMPTS = 10
PAUSE_SECONDS = 0.5
# The log may load #general for each person; more at once would only wait for one another.
LANDING_BATCH = 50
# Percentages: of the first hundred people and of all others that are in a room, and of messages
# that get a reaction.
MEMBER_SHARE, LATER_MEMBER_SHARE = 60, 3
REACTION_SHARE = 12

T = TypeVar("T")

Report = Callable[[str, int], None]
"""Called with what was made and how many of them."""


Places = dict[str | None, int]  # key → seq


@dataclass(frozen=True)
class Amounts:
    """How much to fill in. At least two people: the first two own the rooms."""

    users: int
    rooms: int
    messages: int


@dataclass(frozen=True)
class _Room:
    id: int
    members: list[User]


async def fill(amounts: Amounts, password: str | None, report: Report) -> int:
    """Adds what is missing and returns the number of events added.

    New people get `password`, or an unusable one if it is None. Existing people keep theirs.
    """
    people = await in_database(_make_people, amounts.users, password)
    for batch in _batches(people, LANDING_BATCH):
        await asyncio.gather(*(onboarding.land_in_general(user.pk) for user in batch))
        report("People", len(batch))
    made = []
    added = 0
    for number in range(amounts.rooms):
        room, joined = await _make_room(number, people)
        made.append(room)
        added += joined
        report("Rooms", 1)
    for numbers in _batches(range(amounts.messages), BATCH_EVENTS):
        posts = [_post(number, made) for number in numbers]
        places, posted = await _append_missing(posts)
        _, reacted = await _append_missing(_reactions(numbers, posts, places, made))
        added += posted + reacted
        report("Messages", len(numbers))
    return added


def _make_people(count: int, password: str | None) -> list[User]:
    hashed = make_password(password)
    wanted = dict(seed_texts.person(number) for number in range(count))
    there = set(User.objects.filter(username__in=wanted).values_list("username", flat=True))
    User.objects.bulk_create(
        [
            User(username=username, display_name=name, password=hashed)
            for username, name in wanted.items()
            if username not in there
        ],
        batch_size=1_000,
        ignore_conflicts=True,
    )
    shown_names.fill_in()
    found = {user.username: user for user in User.objects.filter(username__in=wanted)}
    return [found[username] for username in wanted]


async def _make_room(number: int, people: Sequence[User]) -> tuple[_Room, int]:
    name, topic, is_public = seed_texts.room(number)
    owner = people[number % 2]
    kind = RoomKind.PUBLIC if is_public else RoomKind.PRIVATE
    key = derived_key(BASE_KEY, f"room {number}")
    room = await rooms.create_room(owner.pk, name, kind, topic, str(key))
    members = [
        person
        for index, person in enumerate(people)
        if person is owner
        or random.Random(f"{number} {index}").randrange(100)
        < (MEMBER_SHARE if index < 100 else LATER_MEMBER_SHARE)
    ]
    joins = {
        member.pk: NewEvent(
            room=room.pk,
            type=EventType.MEMBER_JOINED,
            data=MemberJoined(user=member.pk),
            actor=member.pk,
            key=str(derived_key(BASE_KEY, f"room {number} join {member.username}")),
            trusted=True,  # for private rooms too: nobody is there to invite
        )
        for member in members
        if member is not owner
    }
    added = 0
    inside = {owner.pk}
    for batch in _batches(list(joins), BATCH_EVENTS):
        async with room_limit.seats(batch, room.pk) as seated:
            _, joined = await _append_missing([joins[one] for one in batch if one in seated])
        inside |= seated
        added += joined
    members = [member for member in members if member.pk in inside]
    for member in members if added else ():
        await rooms.announce_entry(member.pk, room.pk)
    return _Room(room.pk, members), added


def _post(number: int, made: Sequence[_Room]) -> NewEvent:
    dice = random.Random(f"message {number}")
    # Few rooms are busy and many are quiet, as in real life.
    room = made[int(len(made) * dice.random() ** 2)]
    author = dice.choice(room.members)
    return NewEvent(
        room=room.id,
        type=EventType.MESSAGE_POSTED,
        data=MessagePosted(body=seed_texts.message(dice)),
        actor=author.pk,
        key=str(derived_key(BASE_KEY, f"message {number} {room.id} {author.pk}")),
        trusted=True,
    )


def _reactions(
    numbers: Sequence[int], posts: Sequence[NewEvent], places: Places, made: Sequence[_Room]
) -> list[NewEvent]:
    members = {room.id: room.members for room in made}
    reactions = []
    for number, post in zip(numbers, posts, strict=True):
        dice = random.Random(f"reaction {number}")
        seq = places.get(post.key)
        if seq is None or dice.randrange(100) >= REACTION_SHARE:
            continue
        person = dice.choice(members[post.room])
        reactions.append(
            NewEvent(
                room=post.room,
                type=EventType.REACTION_ADDED,
                data=Reaction(target=seq, emoji=dice.choice(seed_texts.EMOJI)),
                actor=person.pk,
                key=str(derived_key(BASE_KEY, f"reaction {post.key} {person.pk}")),
                trusted=True,
            )
        )
    return reactions


async def _append_missing(batch: Sequence[NewEvent]) -> tuple[Places, int]:
    """Logs the events that PostgreSQL does not hold yet; the log itself knows recent ones.

    Returns the events' places, and how many of them are new.
    """
    places = await in_database(_stored_places, [event.key for event in batch])
    missing = [event for event in batch if event.key not in places]
    added = 0
    for _ in range(MAX_ATTEMPTS):
        outcomes = await asyncio.gather(
            *(room_log.append(event) for event in missing), return_exceptions=True
        )
        again = []
        for event, outcome in zip(missing, outcomes, strict=True):
            if isinstance(outcome, Unavailable):
                again.append(event)
            elif isinstance(outcome, BaseException):
                _pass_over(outcome)
            else:
                places[event.key] = outcome.event.seq
                added += not outcome.repeat
        if not again:
            return places, added
        missing = again
        await asyncio.sleep(PAUSE_SECONDS)
    raise Unavailable("The log does not take the demo data.")


def _pass_over(outcome: BaseException) -> None:
    """Ignores an archived demo room, or a person who is in it already; raises anything else."""
    if not isinstance(outcome, Unchanged | ClientError):
        raise outcome


def _stored_places(keys: Sequence[str | None]) -> Places:
    found = RoomEvent.objects.filter(key__in=keys).values_list("key", "seq")
    return {str(key): seq for key, seq in found}


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
