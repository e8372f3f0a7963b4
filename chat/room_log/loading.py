"""Loads rooms from PostgreSQL into the log.

A room that is not in the log is completely stored, so its row and its memberships are all there is
to know. One transaction reads them from one snapshot. They are read and sent page by page, so that
a room of 100,000 people blocks neither this process nor the log. At the end they become the room,
in one step.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from chat import events
from chat.errors import ClientError, Unavailable
from chat.hints import to_workers
from chat.resilience.crash_points import crash_point
from chat.resilience.per_loop import PerLoop
from chat.room_log import codec, epochs, keys
from chat.room_log.scripts import LOAD
from chat.servers import redis_log
from chat.servers.postgres import in_database

# An attempt fails when another loader takes a later token or a new epoch has to be made.
MAX_ATTEMPTS = 5
# The longest wait for another loader; a load takes a few milliseconds.
LATE_WAIT_SECONDS = 0.05

_under_way: PerLoop[dict[int, asyncio.Task[None]]] = PerLoop(dict)  # by room

ROOM = """
    SELECT room.stored_seq, room.stored_n, room.kind, room.archived_at IS NOT NULL,
           room.slow_mode_seconds,
           COALESCE((SELECT epoch FROM chat_shardcursor WHERE shard = %s AND kind = 'persist'), 0)
    FROM chat_room AS room WHERE room.id = %s
"""
# Nobody is both a member and banned.
ACL = """
    SELECT user_id, role || ':' || GREATEST(0, COALESCE(
               floor(extract(epoch FROM muted_until) * 1000), 0))::bigint
    FROM chat_membership WHERE room_id = %(room)s
    UNION ALL SELECT user_id, 'banned:0' FROM chat_ban WHERE room_id = %(room)s
"""
# People inside are left out: an older version kept their row here when they came in.
MUTES = """
    SELECT user_id, floor(extract(epoch FROM until) * 1000)::bigint FROM chat_absentmute AS mute
    WHERE room_id = %s AND until > now() AND NOT EXISTS (
        SELECT FROM chat_membership
        WHERE room_id = mute.room_id AND user_id = mute.user_id)
"""
# Read and sent at a time. A page holds the log, the GIL and the loop for about a millisecond.
PEOPLE_PER_PAGE = 500

Pages = list[list[str]]


class Snapshot(msgspec.Struct, frozen=True):
    """A room as PostgreSQL holds it, and the epoch of its shard there."""

    head: int
    n: int
    kind: str
    archived: bool
    slow_mode_seconds: int
    epoch: int
    owners: int
    mutes: dict[str, str]  # of people outside: user id → until when, in ms
    pages: Pages  # user id, entry, user id, entry, … of its ACL

    def acl(self) -> dict[str, str]:
        """User id → entry, as the log has it."""
        return {
            user: entry
            for page in self.pages
            for user, entry in zip(page[::2], page[1::2], strict=True)
        }


def read_snapshot(room: int, shard: int) -> Snapshot | None:
    """What PostgreSQL holds of a room, in one snapshot; None when there is no such room."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(ROOM, [shard, room])
        row = cursor.fetchone()
        if row is None:
            return None
        head, n, kind, archived, slow_mode_seconds, epoch = row
        pages = list(_read_acl(cursor, room))
        cursor.execute(MUTES, [room])
        mutes = {str(user): str(until_ms) for user, until_ms in cursor.fetchall()}
    return Snapshot(
        head=head,
        n=n,
        kind=kind,
        archived=archived,
        slow_mode_seconds=slow_mode_seconds,
        epoch=epoch,
        owners=sum(entry.startswith("owner:") for page in pages for entry in page[1::2]),
        mutes=mutes,
        pages=pages,
    )


def _read_acl(cursor: CursorWrapper, room: int) -> Iterator[list[str]]:
    """The room's ACL in pages; at least one page."""
    cursor.execute(f"{ACL} LIMIT {PEOPLE_PER_PAGE + 1}", {"room": room})
    rows = cursor.fetchall()
    if len(rows) <= PEOPLE_PER_PAGE:
        yield _page(rows)
        return
    with connection.chunked_cursor() as portal:
        portal.execute(ACL, {"room": room})
        while rows := portal.fetchmany(PEOPLE_PER_PAGE):
            yield _page(rows)


def _page(rows: Sequence[tuple[int, str]]) -> list[str]:
    return [text for user, entry in rows for text in (str(user), entry)]


async def ensure_loaded(rooms: Iterable[int]) -> None:
    """Loads those of `rooms` that are not in the log.

    Raises: ClientError `not_found` for a room that does not exist; Unavailable when the log or
    PostgreSQL is down.
    """
    for room in rooms:
        await _load_together(room)


async def _load_together(room: int) -> None:
    """One load for all callers in this process that ask for the room at the same time.

    Each new token voids the earlier ones, so parallel loaders would keep one another from ever
    finishing.
    """
    loads = _under_way.get()
    task = loads.get(room)
    if task is None:
        shard = events.shard_of(room, settings.ENV.shards)
        task = loads[room] = asyncio.create_task(_load(room, shard), name="load room")
        task.add_done_callback(lambda _: loads.pop(room, None))
    # The caller that asked first may be cancelled; the others still wait.
    await asyncio.shield(task)


async def _load(room: int, shard: int) -> None:
    for _ in range(MAX_ATTEMPTS):
        epoch, loaded = await _state(room, shard)
        if loaded:
            return
        token = uuid.uuid4().hex
        await _take_token(shard, room, token)
        crash_point("load.after_token")
        snapshot = await in_database(read_snapshot, room, shard)
        if snapshot is None:
            raise ClientError("not_found", codec.REFUSALS["not_found"])
        if epoch != snapshot.epoch:
            await in_database(epochs.establish, shard)
            continue
        # An ACL of one page goes with the script, in one round trip. A longer one is put beside the
        # room first, and the script moves it into place.
        sent, *beside = snapshot.pages
        if beside:
            await _put_beside(shard, room, token, snapshot.pages)
            sent = []
        crash_point("load.before_script")
        arguments: list[str | int] = [
            token,
            snapshot.epoch,
            snapshot.head,
            snapshot.n,
            snapshot.kind,
            int(snapshot.archived),
            room,
            snapshot.slow_mode_seconds,
            sum(len(page) // 2 for page in snapshot.pages) if beside else 0,
            snapshot.owners,
            msgspec.json.encode(snapshot.mutes).decode(),
            *sent,
        ]
        answer = await _run_script(shard, room, arguments)
        if answer in (b"loaded", b"present"):
            crash_point("load.after_script")
            return
        if answer == b"epoch":
            await in_database(epochs.establish, shard)
        elif answer == b"unstored":
            to_workers.wake(shard)
            break
        else:  # another process took a later token: let it finish
            await asyncio.sleep(random.uniform(0, LATE_WAIT_SECONDS))
    raise Unavailable("The room cannot be loaded at the moment.")


async def _state(room: int, shard: int) -> tuple[int | None, bool]:
    """The epoch of the shard, and whether the room is in the log at that epoch."""
    pipeline = redis_log.async_client().pipeline(transaction=False)
    pipeline.get(keys.epoch(shard))
    pipeline.hmget(keys.room(shard, room), "epoch", "head", "n", "kind")
    epoch, values = await redis_log.ask(pipeline.execute)
    loaded = epoch is not None and epoch == values[0] and None not in values
    return (None if epoch is None else int(epoch)), loaded


async def _take_token(shard: int, room: int, token: str) -> None:
    pipeline = redis_log.async_client().pipeline(transaction=False)
    pipeline.set(keys.loading(shard, room), token, px=keys.LOADING_LIFETIME_MS)
    await redis_log.ask(pipeline.execute)


async def _put_beside(shard: int, room: int, token: str, pages: Pages) -> None:
    """Puts an ACL where only the script that is called with this token reads it.

    What a loader that died or came too late leaves there expires.
    """
    name = keys.coming_acl(shard, room, token)
    for page in pages:
        pipeline = redis_log.async_client().pipeline(transaction=False)
        pipeline.execute_command("HSET", name, *page)
        pipeline.pexpire(name, keys.LOADING_LIFETIME_MS)
        await redis_log.ask(pipeline.execute)


async def _run_script(shard: int, room: int, arguments: Sequence[str | int]) -> object:
    client = redis_log.async_client()
    names = [keys.epoch(shard), keys.room(shard, room), keys.active(shard)]
    return await redis_log.ask(lambda: LOAD.acall(client, names, arguments))
