"""Brings rooms from PostgreSQL into the log.

A room that is not in the log is wholly stored, so its row and its memberships are all there is to
know. One statement reads them, so they are of one moment.
"""

from __future__ import annotations

import asyncio
import random
import uuid
import weakref
from collections.abc import Iterable, Sequence

import msgspec
from django.conf import settings
from django.db import connection

from chat import events, waker
from chat.crash_points import crash_point
from chat.database import in_database
from chat.errors import ClientError, Unavailable
from chat.room_log import clients, codec, epochs, keys
from chat.room_log.scripts import LOAD

# Each attempt but the last is lost to another loader or to an epoch that had to be made.
MAX_ATTEMPTS = 5
# A load takes a few milliseconds.
LATE_WAIT_SECONDS = 0.05

_under_way: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, asyncio.Task[None]]] = (
    weakref.WeakKeyDictionary()
)

SNAPSHOT = """
    SELECT room.stored_seq, room.stored_n, room.kind, room.archived_at IS NOT NULL,
           room.slow_mode_seconds,
           COALESCE((SELECT epoch FROM chat_shardcursor WHERE shard = %s AND kind = 'persist'), 0),
           -- One text for each person, so that nobody's role can come to stand beside another.
           ARRAY(SELECT user_id || ' ' || role || ':' || GREATEST(0, COALESCE(
                     floor(extract(epoch FROM muted_until) * 1000), 0))::bigint
                 FROM chat_membership WHERE room_id = room.id),
           ARRAY(SELECT user_id || ' banned:0' FROM chat_ban WHERE room_id = room.id)
    FROM chat_room AS room WHERE room.id = %s
"""


class Snapshot(msgspec.Struct, frozen=True):
    """A room as PostgreSQL holds it, and the epoch at which it does."""

    head: int
    n: int
    kind: str
    archived: bool
    slow_mode_seconds: int
    epoch: int
    members: list[str]  # `user id role:muted until in ms`
    banned: list[str]  # `user id banned:0`

    def acl(self) -> dict[str, str]:
        """User id → entry, as the log has it. Nobody is a member and banned."""
        entries = (text.partition(" ") for text in (*self.members, *self.banned))
        return {user: entry for user, _, entry in entries}


def read_snapshot(room: int, shard: int) -> Snapshot | None:
    """What PostgreSQL holds of a room; None when there is none of that id."""
    with connection.cursor() as cursor:
        cursor.execute(SNAPSHOT, [shard, room])
        row = cursor.fetchone()
    return None if row is None else Snapshot(*row)


async def ensure_loaded(rooms: Iterable[int]) -> None:
    """Loads those of `rooms` that are not in the log.

    Raises: ClientError `not_found` for a room that does not exist; Unavailable when the log or
    PostgreSQL is away.
    """
    for room in rooms:
        await _load_together(room)


async def _load_together(room: int) -> None:
    """One load for all who ask for the room at the same time in this process.

    Each new ticket makes the earlier ones void, so many loaders side by side would keep one
    another from ever finishing.
    """
    loads = _under_way.setdefault(asyncio.get_running_loop(), {})
    task = loads.get(room)
    if task is None:
        shard = events.shard_of(room, settings.ENV.shards)
        task = loads[room] = asyncio.create_task(_load(room, shard), name="load room")
        task.add_done_callback(lambda _: loads.pop(room, None))
    # Who asked first may go away; the others still wait.
    await asyncio.shield(task)


async def _load(room: int, shard: int) -> None:
    for _ in range(MAX_ATTEMPTS):
        epoch, loaded = await _state(room, shard)
        if loaded:
            return
        ticket = uuid.uuid4().hex
        await _take_ticket(shard, room, ticket)
        crash_point("load.after_ticket")
        snapshot = await in_database(read_snapshot, room, shard)
        if snapshot is None:
            raise ClientError("not_found", codec.REFUSALS["not_found"])
        if epoch != snapshot.epoch:
            await in_database(epochs.establish, shard)
            continue
        acl = [value for pair in snapshot.acl().items() for value in pair]
        crash_point("load.before_script")
        arguments: list[str | int] = [
            ticket,
            snapshot.epoch,
            snapshot.head,
            snapshot.n,
            snapshot.kind,
            int(snapshot.archived),
            room,
            snapshot.slow_mode_seconds,
            *acl,
        ]
        answer = await _run_script(shard, room, arguments)
        if answer in (b"loaded", b"present"):
            crash_point("load.after_script")
            return
        if answer == b"epoch":
            await in_database(epochs.establish, shard)
        elif answer == b"unstored":
            waker.wake(shard)
            break
        else:  # another process took a later ticket: let it finish
            await asyncio.sleep(random.uniform(0, LATE_WAIT_SECONDS))
    raise Unavailable("The room cannot be loaded at the moment.")


async def _state(room: int, shard: int) -> tuple[int | None, bool]:
    """The epoch of the shard, and whether the room is in the log at that epoch."""
    pipeline = clients.async_client().pipeline(transaction=False)
    pipeline.get(keys.epoch(shard))
    pipeline.hmget(keys.room(shard, room), "epoch", "head", "n", "kind")
    epoch, values = await clients.ask(pipeline.execute)
    loaded = epoch is not None and epoch == values[0] and None not in values
    return (None if epoch is None else int(epoch)), loaded


async def _take_ticket(shard: int, room: int, ticket: str) -> None:
    pipeline = clients.async_client().pipeline(transaction=False)
    pipeline.set(keys.loading(shard, room), ticket, px=keys.LOADING_LIFETIME_MS)
    await clients.ask(pipeline.execute)


async def _run_script(shard: int, room: int, arguments: Sequence[str | int]) -> object:
    client = clients.async_client()
    names = [keys.epoch(shard), keys.room(shard, room), keys.active(shard)]
    return await clients.ask(lambda: LOAD.acall(client, names, arguments))
