"""Checks of what belongs to a shard but to no existing room."""

from __future__ import annotations

from collections.abc import Iterator

from chat.events.positions import as_pair
from chat.room_log import epochs
from chat.verify.checks.findings import Check, Finding
from chat.verify.readers import dead_letter_reader, stored_reader
from chat.verify.readers.log_reader import IngestIndex


def check_epoch(shard: int) -> Iterator[Finding]:
    """Report a log that is behind PostgreSQL: it was lost, or an old copy of it came back.

    Raises: RedisError, DatabaseError.
    """
    # PostgreSQL first: the log can only have moved on since, perhaps to a higher epoch.
    cursor = stored_reader.read_persist_cursor(shard, 0)
    epoch, last = epochs.read_log(shard)
    what = f"epoch of shard {shard} in the log"
    if (epoch or 0) < cursor.epoch:
        yield Finding(Check.WATERMARK, None, None, what, str(cursor.epoch), str(epoch))
    elif epoch == cursor.epoch and as_pair(last) < cursor.position:
        position = "{}-{}".format(*cursor.position)
        what = f"end of the ingest stream of shard {shard}"
        yield Finding(Check.WATERMARK, None, None, what, f"{position} or later", last)


def check_strays(shard: int, ingest: IngestIndex) -> Iterator[Finding]:
    """Report ingest entries that are not events, or whose rooms do not exist.

    Call it after the rooms have been verified. Raises: RedisError, DatabaseError.
    """
    ingest.extend()
    for entry in ingest.unreadable:
        if not dead_letter_reader.has_dead_letter(shard, entry):
            what = _name(shard, entry.stream_id)
            yield Finding(Check.INGEST, None, None, what, "an event", "something unreadable")
    for room in sorted(set(ingest.rooms) - stored_reader.existing_rooms(ingest.rooms)):
        for entry in ingest.of_room(room):
            if not dead_letter_reader.has_dead_letter(shard, entry):
                seq = entry.content.seq if entry.content else None
                what = _name(shard, entry.stream_id)
                yield Finding(Check.INGEST, room, seq, what, "a room that exists", "none")


def _name(shard: int, stream_id: tuple[int, int]) -> str:
    return "entry {}-{} of ingest stream {}".format(*stream_id, shard)
