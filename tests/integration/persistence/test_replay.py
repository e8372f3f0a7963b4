"""Whatever happens in a room: its tables are what a replay of its events gives, from any point on.

`chat.persistence.projections` writes the tables in batches; `chat.verify.checks.replay` folds the
same events one by one without SQL. Each is the other's test.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings
from msgspec import UNSET

from chat import events, room_log
from chat.errors import ClientError
from chat.events import (
    EventData,
    EventType,
    Member,
    MemberJoined,
    MemberMuted,
    MemberRemoved,
    MemberUnmuted,
    MessageEdited,
    MessagePosted,
    MessageTarget,
    Reaction,
    ReplyPosted,
    Role,
    RoomArchived,
    RoomUpdated,
)
from chat.events.mentions import Mentions
from chat.models import Room, User
from chat.persistence import drain
from chat.room_log import NewEvent, keys
from chat.room_log.appender import Unchanged
from chat.servers.redis_log import blocking_client
from chat.verify import Finding, Verifier
from tests.support.rooms import new_key, new_person, new_room

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

Step = tuple[EventType, EventData, int]  # the last one: which person does it

PEOPLE = strategies.integers(0, 2)
# Members' ids are put in when they are known: here a person is a number from 0 on.
WHO = strategies.integers(0, 2)
# Mostly posts, some places without one, some that are not there.
TARGETS = strategies.integers(1, 25)
BODIES = strategies.sampled_from(["да", "no", "a\nb", "👍", "{}"])
TIMES = strategies.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)


def steps(
    kind: EventType, data: strategies.SearchStrategy[EventData]
) -> strategies.SearchStrategy[Step]:
    return strategies.tuples(strategies.just(kind), data, PEOPLE)


MENTIONS = strategies.sampled_from(
    [
        UNSET,
        UNSET,
        Mentions(people={"anna": 1, "boris": 2}),
        Mentions(people={"anna": 3}, groups={"backend": 1}, rooms={"general": 1}),
        Mentions(all="here"),
    ]
)
POSTED = steps(
    EventType.MESSAGE_POSTED, strategies.builds(MessagePosted, body=BODIES, mentions=MENTIONS)
)
ROOTS = strategies.integers(1, 6)  # few, so that threads have several replies
REPLIED = steps(
    EventType.REPLY_POSTED,
    strategies.builds(ReplyPosted, root=ROOTS, body=BODIES, mentions=MENTIONS),
)
ALSO_SENT = steps(
    EventType.MESSAGE_POSTED, strategies.builds(MessagePosted, body=BODIES, thread=ROOTS)
)
EDITED = steps(
    EventType.MESSAGE_EDITED,
    strategies.builds(MessageEdited, target=TARGETS, body=BODIES, mentions=MENTIONS),
)
TARGETED = strategies.builds(MessageTarget, target=TARGETS)
REACTED = strategies.builds(Reaction, target=TARGETS, emoji=strategies.sampled_from("👍🎉"))
MEMBER = strategies.builds(Member, user=WHO)
EVERYWHERE = strategies.sampled_from([False, False, True])
TEXTS = strategies.none() | strategies.sampled_from(["", "one", "two"])
STEPS = strategies.one_of(
    POSTED,
    POSTED,
    REPLIED,
    REPLIED,
    ALSO_SENT,
    EDITED,
    steps(EventType.MESSAGE_DELETED, TARGETED),
    steps(EventType.MESSAGE_RESTORED, TARGETED),
    steps(EventType.REACTION_ADDED, REACTED),
    steps(EventType.REACTION_REMOVED, REACTED),
    steps(
        EventType.MEMBER_JOINED,
        strategies.builds(MemberJoined, user=WHO, role=strategies.sampled_from(Role)),
    ),
    steps(EventType.MEMBER_LEFT, MEMBER),
    steps(
        EventType.MEMBER_REMOVED,
        strategies.builds(
            MemberRemoved, user=WHO, banned=strategies.sampled_from([None, True, False])
        ),
    ),
    steps(
        EventType.MEMBER_UNMUTED, strategies.builds(MemberUnmuted, user=WHO, everywhere=EVERYWHERE)
    ),
    steps(
        EventType.MEMBER_MUTED,
        strategies.builds(MemberMuted, user=WHO, until=TIMES, everywhere=EVERYWHERE),
    ),
    steps(
        EventType.ROOM_UPDATED,
        strategies.builds(
            RoomUpdated,
            name=TEXTS,
            topic=TEXTS,
            slow_mode_seconds=strategies.sampled_from([None, 0, 30]),
        ),
    ),
    steps(EventType.ROOM_ARCHIVED, strategies.builds(RoomArchived, archived=strategies.booleans())),
)


def test_tables_are_what_a_replay_gives() -> None:
    with asyncio.Runner() as runner:
        people = [runner.run(new_person(f"person-{i}-{new_key()}")) for i in range(3)]

        @given(
            happened=strategies.lists(STEPS, min_size=10, max_size=60),
            batch=strategies.integers(1, 20),
            window=strategies.integers(0, 60),
        )
        @hypothesis_settings(
            max_examples=40, deadline=None, suppress_health_check=list(HealthCheck)
        )
        def check(happened: list[Step], batch: int, window: int) -> None:
            findings = runner.run(live_through(people, happened, batch, window))
            assert findings == []

        check()
        runner.run(room_log.close())


async def live_through(
    people: list[User], happened: list[Step], batch: int, window: int
) -> list[Finding]:
    """Logs and stores what happened in a new room; what is wrong with all of it, and since."""
    room = await new_room(people[0], people[1])
    times = []
    for kind, data, who in happened:
        if isinstance(data, MemberJoined | Member | MemberMuted):
            data = msgspec.structs.replace(data, user=people[data.user].pk)
        # Events that the log's rules refuse are left out.
        with suppress(ClientError, Unchanged):
            appended = await room_log.append(
                NewEvent(
                    room=room.pk,
                    type=kind,
                    data=data,
                    actor=people[who].pk,
                    key=new_key(),
                    trusted=True,
                )
            )
            times.append(appended.event.at)
    await sync_to_async(store)(room, batch)
    since = times[window % len(times)] if times else None
    found = await sync_to_async(verify)(room, None)
    return found + await sync_to_async(verify)(room, since)


def store(room: Room, batch: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drain, "BATCH_EVENTS", batch)
        drained = drain.drain(shard_of(room))
    assert (drained.letters, drained.stopped) == (0, False)
    # What the hot tail has is always compared, which would make any window the whole room.
    blocking_client().delete(keys.log(shard_of(room), room.pk))


def shard_of(room: Room) -> int:
    return events.shard_of(room.pk, settings.ENV.shards)


def verify(room: Room, since: datetime | None) -> list[Finding]:
    verifier = Verifier(settings.ENV.shards, None, since=since, pause=lambda: None)
    return verifier.verify([room.pk]).findings
