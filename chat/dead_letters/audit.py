"""What people did with dead letters: who, when, which and why.

| Key (log server) | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:dead-letters:audit` | stream | last 100,000 | what people did: `AuditLine` as JSON |
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import cast

import msgspec

from chat.dead_letters import store
from chat.room_log import streams
from chat.room_log.clients import blocking_client

logger = logging.getLogger("chat.audit")

AUDIT = f"{store.STREAM}:audit"
# About 30 MB. Older lines are in the logs of the processes.
AUDIT_ENTRIES = 100_000


class AuditLine(msgspec.Struct, frozen=True):
    """One thing that a person did with a letter."""

    at: datetime
    action: str  # "retry", "release" or "discard"
    letter: str
    by: str
    why: str


def write(action: str, letter: str, *, by: str, why: str = "") -> None:
    """Writes down what a person does with a letter, before it is done. Raises: RedisError."""
    line = AuditLine(datetime.now(UTC), action, letter, by, why)
    blocking_client().xadd(
        AUDIT, {"line": msgspec.json.encode(line)}, maxlen=AUDIT_ENTRIES, approximate=True
    )
    # %r: what a person typed may hold line breaks.
    logger.info("dead letter %s: %s by %r: %r", letter, action, by, why)


def lines(limit: int) -> list[AuditLine]:
    """The last `limit` things that people did, newest first. Raises: redis.RedisError."""
    entries = cast(streams.Entries, blocking_client().xrevrange(AUDIT, count=limit))
    return [msgspec.json.decode(fields[b"line"], type=AuditLine) for _, fields in entries]
