"""What tests of dead letters have in common: events that become dead letters, and their retries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async

from chat import dead_letters
from chat.dead_letters import DeadLetter, DeadLetterOrigin, Filter, Outcome, Reason, Result, store
from chat.events import EventType, RoomEvent
from chat.models import Room, User
from chat.models import RoomEvent as StoredEvent
from chat.persistence import drain as persistence
from chat.persistence import sorting
from chat.persistence.drain import Drained
from tests.support.projected import projected, replayed
from tests.support.rooms import new_key

SHARDS = 4


@contextmanager
def fault_in(*places: tuple[int, int]) -> Iterator[None]:
    """A fault in the code: the events at these (room, seq) are treated as invalid."""
    check = sorting.checked_data

    def checked(event: RoomEvent) -> Any:
        if (event.room, event.seq) in places:
            raise ValueError("the fault")
        return check(event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "checked_data", checked)
        yield


async def drain(room: Room) -> Drained:
    return await sync_to_async(persistence.drain)(room.pk % SHARDS)


async def set_apart(room: Room, *seqs: int) -> list[str]:
    """Drain the room while a fault refuses `seqs`; returns the ids of their dead letters."""

    def drain_with_fault() -> None:
        with fault_in(*((room.pk, seq) for seq in seqs)):
            persistence.drain(room.pk % SHARDS)

    await sync_to_async(drain_with_fault)()
    return [letter.id for letter in await letters()]


async def letters(wanted: Filter = dead_letters.listing.ALL) -> list[DeadLetter]:
    return await sync_to_async(lambda: list(dead_letters.every(wanted)))()


async def retry(*ids: str) -> list[Result]:
    return await sync_to_async(lambda: list(dead_letters.retry(ids, by="olga")))()


async def retry_due() -> dict[Outcome, int]:
    return await sync_to_async(dead_letters.retry_due)()


def let_time_pass(log_redis: redis.Redis) -> None:
    """Make every dead letter due, and end every claim."""
    for letter_id, _ in log_redis.zscan_iter(store.DUE):
        log_redis.zadd(store.DUE, {letter_id: 0})
    for claim in log_redis.scan_iter(store.CLAIM + "*"):
        log_redis.delete(claim)


def add_letter(source: str = "test", **origin: Any) -> str:
    return dead_letters.add(
        source=source,
        reason=Reason.REFUSED,
        error="refused",
        origin=DeadLetterOrigin(**(origin or {"stream_id": new_key()})),
        payload=b"payload",
    )


async def store_under_key(room: Room, author: User, key: str, body: str) -> StoredEvent:
    """Store a message under `key`, as another shard or an earlier log would have."""
    return await StoredEvent.objects.acreate(
        shard=room.pk % SHARDS,
        room=room,
        seq=99,
        n=1,
        epoch=1,
        type=EventType.MESSAGE_POSTED,
        key=key,
        actor=author,
        at=datetime.now(UTC),
        data={"body": body},
    )


async def assert_projections_equal_a_replay(room: Room) -> None:
    found = await sync_to_async(projected)(room.pk)
    assert found == await sync_to_async(replayed)(room.pk)


async def kinds(room: Room) -> list[str]:
    rows = StoredEvent.objects.filter(room=room).order_by("seq").values_list("type", flat=True)
    return [row async for row in rows]
