"""Looks dead letters up for a verification."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from chat.dead_letters import store
from chat.dead_letters.letters import DeadLetterOrigin
from chat.servers.redis_log import blocking_client
from chat.verify.checks.log_checks import IngestEntry

LOOK_UPS = 500


def has_dead_letter(shard: int, entry: IngestEntry) -> bool:
    """Whether the drain moved this ingest entry to the dead letters."""
    stream_id = "{}-{}".format(*entry.stream_id)
    origin = DeadLetterOrigin(shard=shard, stream_id=stream_id)
    if entry.content is not None:
        origin = DeadLetterOrigin(
            shard=shard,
            stream_id=stream_id,
            room=entry.content.room,
            seq=entry.content.seq,
            key=entry.content.key,
        )
    name = b"persist " + msgspec.json.encode(origin)
    return bool(blocking_client().hexists(store.ORIGINS, name))


def known_dead_letters(ids: Sequence[str]) -> Collection[str]:
    """Those of `ids` that are dead letters, or were until a person discarded them (on record)."""
    ids = [letter for letter in ids if store.is_id(letter)]
    known: set[str] = set()
    for first in range(0, len(ids), LOOK_UPS):
        part = ids[first : first + LOOK_UPS]
        pipeline = blocking_client().pipeline(transaction=False)
        for letter in part:
            pipeline.xrange(store.STREAM, min=letter, max=letter)
            pipeline.hexists(store.DISCARDED, letter)
        answers = pipeline.execute()
        known |= {
            letter
            for letter, found, discarded in zip(part, answers[::2], answers[1::2], strict=True)
            if found or discarded
        }
    return known
