"""Which of many rooms have changed since a hub last looked, asked in one call.

A mark is the part of a room's state that a hub compares. The log compares the marks itself, so
only rooms that have changed are in the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from django.conf import settings

from chat.events import shard_of
from chat.room_log import keys
from chat.room_log.scripts import CHANGED
from chat.servers import redis_log

# Each room costs the log server 2 µs, and the caller as much.
ROOMS_PER_CALL = 250


class Mark(msgspec.Struct, frozen=True):
    """Where a room stands. `members` names the state of its ACL; another state has another name.

    `members` is empty for a room that was loaded before there were such names.
    """

    epoch: int
    head: int
    stored: int
    members: str

    def __str__(self) -> str:
        return f"{self.epoch}:{self.head}:{self.stored}:{self.members}"


class Unloaded(msgspec.Struct, frozen=True):
    """The room is not in the log; `epoch` is its shard's, 0 when the log has none."""

    epoch: int

    def __str__(self) -> str:
        return f"-:{self.epoch or ''}"


async def changed_rooms(
    known: Mapping[int, Mark | Unloaded],
) -> dict[int, Mark | Unloaded]:
    """The current marks of those rooms whose mark differs from the one in `known`.

    `known` has at most `ROOMS_PER_CALL` rooms, all of one shard. Raises: Unavailable.
    """
    if not known:
        return {}
    shard = shard_of(next(iter(known)), settings.ENV.shards)
    arguments: list[str | int] = [shard]
    for room, mark in known.items():
        arguments += (str(room), str(mark))
    client = redis_log.async_client()
    answer = await redis_log.ask(lambda: CHANGED.acall(client, [keys.epoch(shard)], arguments))
    assert isinstance(answer, list)
    return {
        int(room): _mark(text.decode())
        for room, text in zip(answer[::2], answer[1::2], strict=True)
    }


def in_calls(rooms: list[int]) -> Iterator[list[int]]:
    """`rooms` in parts that `changed_rooms` accepts."""
    by_shard: dict[int, list[int]] = {}
    for room in rooms:
        by_shard.setdefault(shard_of(room, settings.ENV.shards), []).append(room)
    for of_shard in by_shard.values():
        for start in range(0, len(of_shard), ROOMS_PER_CALL):
            yield of_shard[start : start + ROOMS_PER_CALL]


def _mark(text: str) -> Mark | Unloaded:
    epoch, rest = text.split(":", 1)
    if epoch == "-":
        return Unloaded(int(rest or 0))
    head, stored, members = rest.split(":", 2)
    return Mark(int(epoch), int(head), int(stored), members)
