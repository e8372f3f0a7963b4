"""Whichever events are put back late, in whatever order, the tables are as if none had been."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings, strategies

from chat import events
from chat.events import (
    EventQuarantined,
    EventType,
    Member,
    MemberJoined,
    MemberMuted,
    MessageEdited,
    MessageTarget,
    Reaction,
    RoomEvent,
)
from chat.models import Room, User
from chat.models import RoomEvent as Row
from chat.persistence import projections, reprojection
from chat.persistence.projections import Placed
from tests.integration.persistence.test_replay import STEPS, Step
from tests.support.projected import projected, replayed
from tests.support.rooms import new_key

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_tables_are_as_if_no_event_had_been_late() -> None:
    people = [User.objects.create_user(f"person-{i}") for i in range(3)]

    @given(
        happened=strategies.lists(STEPS, min_size=20, max_size=40),
        chance=strategies.randoms(use_true_random=False),
    )
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def check(happened: list[Step], chance: random.Random) -> None:
        room = new_room()
        history = placed_in(room, people, happened)
        late = {one.event.seq for one in history if chance.random() < 0.4}

        store(history, late)
        put_back(history, late, chance)

        found = projected(room.pk)
        assert found == replayed(room.pk)

    check()


def new_room() -> Room:
    slug = f"room-{new_key()}"
    return Room.objects.create(slug=slug, name=slug, kind="private")


def placed_in(room: Room, people: Sequence[User], happened: Sequence[Step]) -> list[Placed]:
    """What happened, at its places in `room`."""
    history: list[Placed] = []
    posts: list[int] = []
    n = 0
    for kind, given_data, who in happened:
        data, seq = given_data, len(history) + 1
        if isinstance(data, MessageEdited | MessageTarget | Reaction):
            if not posts:
                continue  # the log refuses acts on what is not a message
            data = msgspec.structs.replace(data, target=posts[data.target % len(posts)])
        if kind == EventType.MESSAGE_POSTED:
            posts = [*posts, seq][-3:]  # few, so that much happens to each
        if isinstance(data, MemberJoined | Member | MemberMuted):
            data = msgspec.structs.replace(data, user=people[data.user].pk)
        n += kind == EventType.MESSAGE_POSTED
        event = RoomEvent(
            room=room.pk,
            epoch=1,
            seq=seq,
            n=n,
            type=kind,
            key=new_key(),
            actor=people[who].pk,
            at=START + timedelta(seconds=seq),
            data=msgspec.Raw(events.encode_data(data)),
        )
        history.append(Placed(event, data))
    return history


def store(history: Sequence[Placed], late: set[int]) -> None:
    """Stores the history with placeholders where events are late."""
    stored = [placeholder(one) if one.event.seq in late else one for one in history]
    with transaction.atomic():
        projections.store(0, stored)


def placeholder(placed: Placed) -> Placed:
    data = EventQuarantined(reason="refused", original_type=placed.event.type, dead_letter="1-1")
    event = msgspec.structs.replace(
        placed.event,
        type=EventType.EVENT_QUARANTINED,
        key=None,
        actor=None,
        data=msgspec.Raw(events.encode_data(data)),
    )
    return Placed(event, data)


def put_back(history: Sequence[Placed], late: set[int], chance: random.Random) -> None:
    waiting = [one for one in history if one.event.seq in late]
    chance.shuffle(waiting)
    for one in waiting:
        row = Row.objects.get(room_id=one.event.room, seq=one.event.seq)
        with transaction.atomic():
            reprojection.replace_placeholder(row, one, "1-1", START)
