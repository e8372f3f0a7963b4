"""Dead letters on the log server: entries that never change, and next to them what was tried.

The keys share one hash slot with the stream, so that Redis Cluster keeps them together.

| Key | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:dead-letters` | stream | – | an entry per failure; its stream id is the dead letter's id |
| `{veche:dead-letters}:origins` | hash | – | source, origin → id: one for a repeated failure |
| `{veche:dead-letters}:due` | zset | – | id → ms since 1970 of the next retry |
| `{veche:dead-letters}:parked` | zset | – | id → ms since when it waits for a person |
| `{veche:dead-letters}:attempts` | hash | – | id → retries begun |
| `{veche:dead-letters}:last` | hash | – | id → `<ms> <error>` of the last retry that failed |
| `{veche:dead-letters}:claim:<id>` | string | 2 min, sent 15 | token of its retry or discarding |

See `chat.dead_letters.discarding` for what is kept of discarded ones.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, cast

import msgspec

from chat.dead_letters.letters import (
    HOPELESS,
    DeadLetter,
    DeadLetterOrigin,
    Reason,
    RetryRecord,
    State,
    describe,
    read_dead_letter,
)
from chat.metrics import catalogue as metrics
from chat.resilience.backoff import delay_seconds
from chat.resilience.crash_points import crash_point
from chat.servers.lua import Script
from chat.servers.redis_log import blocking_client

logger = logging.getLogger(__name__)

STREAM = "veche:dead-letters"
BESIDE = f"{{{STREAM}}}:"
ORIGINS = BESIDE + "origins"
DUE = BESIDE + "due"
PARKED = BESIDE + "parked"
ATTEMPTS = BESIDE + "attempts"
LAST = BESIDE + "last"
CLAIM = BESIDE + "claim:"
DISCARDED = BESIDE + "discarded"

# 30 s, 1 min, 2 min … about two hours in all: longer than a deploy, shorter than a night.
MAX_ATTEMPTS = 8
FIRST_RETRY_SECONDS = 30.0
LONGEST_RETRY_SECONDS = 6 * 3600.0
# Longer than any retry may take: PostgreSQL's time-outs end a retry after 15 s.
CLAIM_MS = 120_000
# By then a task that was sent again must have ended, with its time in the queue and its hard time
# limit (120 s).
SENT_MS = 15 * 60_000
# How far beyond its maxmemory a full log server may go for dead letters.
BEYOND_FULL_BYTES = 64 * 1024 * 1024
# The longest id that Redis gives out.
MAX_ID_CHARACTERS = 41

_FOLDER = Path(__file__).parent
_ADD = Script(_FOLDER / "add.lua")
_CLAIM = Script(_FOLDER / "claim.lua")
_SETTLE = Script(_FOLDER / "settle.lua")
_REMOVE = Script(_FOLDER / "remove.lua")
_PAGE = Script(_FOLDER / "page.lua")
_RELEASE = Script(_FOLDER / "release.lua")

WHOLE_VALUE = 512 * 1024 * 1024
NEVER_ENDED = "The attempt did not end: it may have killed its process."


class Refused(StrEnum):
    """Why a dead letter could not be claimed."""

    GONE = "gone"  # retried, discarded, or never there
    BUSY = "busy"  # it is claimed by another caller
    EARLY = "early"  # it is not due
    PARKED = "parked"  # it has had its attempts


class Ending(StrEnum):
    """How a claimed retry ended when the dead letter stays."""

    FAILED = "failed"  # it counts
    HOPELESS = "hopeless"  # it counts, and no other attempt is made
    POSTPONED = "postponed"  # it does not count: a server that it needs is down
    SENT = "sent"  # a task has it now and will report


class Claim(msgspec.Struct, frozen=True):
    """A claimed dead letter. `token` proves the claim until it ends."""

    letter: DeadLetter
    token: str


class Entered(NamedTuple):
    """The dead letter of a failure. `new` is False when the same failure had one already."""

    id: str
    new: bool


def add(
    *,
    source: str,
    reason: Reason,
    error: BaseException | str,
    origin: DeadLetterOrigin,
    payload: bytes,
) -> str:
    """Like `enter`, for callers that do not count dead letters: returns only the id."""
    return enter(source=source, reason=reason, error=error, origin=origin, payload=payload).id


def enter(
    *,
    source: str,
    reason: Reason,
    error: BaseException | str,
    origin: DeadLetterOrigin,
    payload: bytes,
) -> Entered:
    """Enters a failure once; the same (source, origin) keeps its first entry.

    `source` is `persist`, `export`, `analytics` or `task:<name>`; `payload` is the bytes as they
    came. A failure that no retry can help (`HOPELESS`) is parked at once; others are due in half a
    minute.

    A full log server still takes it, up to `BEYOND_FULL_BYTES` above its maxmemory: setting one
    event apart lets the rest be stored and trimmed.

    Raises: redis.RedisError when the log server is down or has no memory even for this; then the
    caller must not go on.
    """
    now = datetime.now(UTC).isoformat()
    encoded_origin = msgspec.json.encode(origin)
    fields: dict[str, str | bytes] = {
        "source": source,
        "reason": reason,
        "error": describe(error),
        "attempts": "1",
        "first_at": now,
        "origin": encoded_origin,
        "payload": payload,
    }
    flat = [part for pair in fields.items() for part in pair]
    wait = "" if reason in HOPELESS else str(_wait_ms(1))
    found, new = cast(
        tuple[bytes, int],
        _ADD.call(
            blocking_client(),
            [STREAM, ORIGINS, DUE, PARKED],
            [source.encode() + b" " + encoded_origin, wait, BEYOND_FULL_BYTES, *flat],
        ),
    )
    crash_point("dead_letters.after_add")
    letter = found.decode()
    if new:
        metrics.DEAD_LETTERS.labels(source=source, reason=reason).inc()
        place = {
            "shard": origin.shard,
            "room": origin.room,
            "seq": origin.seq,
            "dead_letter": letter,
        }
        logger.warning("new dead letter of %s: %s", source, reason, extra=place)
    return Entered(letter, bool(new))


def claim(id: str, *, asked: bool) -> Claim | Refused:
    """Claims dead letter `id` for one retry, which counts from now on.

    Only one caller gets it, until it is settled or removed or `CLAIM_MS` have passed. `asked`: a
    person wants it, so it need not be due and may be parked.

    Raises: redis.RedisError.
    """
    token = uuid.uuid4().hex
    answer = cast(
        list[bytes],
        _CLAIM.call(
            blocking_client(),
            [STREAM, DUE, PARKED, ATTEMPTS, LAST, CLAIM + id],
            [id, token, CLAIM_MS, MAX_ATTEMPTS, "0" if asked else "1", NEVER_ENDED],
        ),
    )
    if answer[0] != b"claimed":
        return Refused(answer[0].decode())
    crash_point("dead_letters.after_claim")
    retries = RetryRecord(state=State.RETRYING, attempts=int(answer[1]))
    return Claim(read_dead_letter(id, _fields(answer[3:]), retries), token)


def settle(id: str, token: str, ending: Ending, error: BaseException | str, attempts: int) -> str:
    """Ends a claim whose dead letter stays, and returns the state of the dead letter.

    "lost" when another caller has the claim now; then nothing is changed.

    Raises: redis.RedisError; the claim then ends by itself and the dead letter is due again.
    """
    wait = SENT_MS if ending == Ending.SENT else _wait_ms(attempts + 1)
    answer = _SETTLE.call(
        blocking_client(),
        [DUE, PARKED, ATTEMPTS, LAST, CLAIM + id],
        [id, token, ending, wait, MAX_ATTEMPTS, describe(error)],
    )
    return cast(bytes, answer).decode()


def release(id: str) -> str:
    """Makes a dead letter due now, as if never retried; returns "waiting", "gone" or "busy".

    Raises: redis.RedisError.
    """
    answer = _RELEASE.call(blocking_client(), [STREAM, DUE, PARKED, ATTEMPTS, CLAIM + id], [id])
    return cast(bytes, answer).decode()


def remove(id: str, kept: bytes = b"") -> bool:
    """Removes a dead letter that was stored, sent or discarded; False when it was gone already.

    `kept` is recorded for it under `DISCARDED`.

    Raises: redis.RedisError.
    """
    removed = _REMOVE.call(
        blocking_client(),
        [STREAM, ORIGINS, DUE, PARKED, ATTEMPTS, LAST, CLAIM + id, DISCARDED],
        [id, kept],
    )
    return bool(removed)


def due(limit: int) -> list[str]:
    """Ids of at most `limit` dead letters whose time has come, longest overdue first.

    Raises: redis.RedisError.
    """
    client = blocking_client()
    seconds, microseconds = client.time()
    now_ms = seconds * 1000 + microseconds // 1000
    ids = cast(list[bytes], client.zrangebyscore(DUE, "-inf", now_ms, start=0, num=limit))
    return [one.decode() for one in ids]


def get(id: str) -> DeadLetter | None:
    """The dead letter `id` with its whole payload; None when it is not there (any more).

    Raises: redis.RedisError.
    """
    if not is_id(id):
        return None
    letters = stretch(id, id, 1, value_bytes=WHOLE_VALUE)
    return letters[0] if letters else None


def is_id(text: str) -> bool:
    """Whether `text` could be the id of a dead letter, as `add` returns them."""
    milliseconds, dash, counter = text.partition("-")
    return (
        len(text) <= MAX_ID_CHARACTERS
        and dash == "-"
        and milliseconds.isascii()
        and counter.isascii()
        and milliseconds.isdigit()
        and counter.isdigit()
    )


def stretch(
    first: str, last: str, limit: int, *, value_bytes: int, newest_first: bool = False
) -> list[DeadLetter]:
    """At most `limit` dead letters from id `first` to `last`, values cut off after `value_bytes`.

    Ids may be "-", "+" or exclusive ("(id"). `newest_first` begins at `last`. The call blocks the
    log server for about 10 µs per dead letter.

    Raises: redis.RedisError.
    """
    ends = (last, first) if newest_first else (first, last)
    command = "XREVRANGE" if newest_first else "XRANGE"
    entries = cast(
        list[list[bytes]],
        _PAGE.call(
            blocking_client(),
            [STREAM, DUE, ATTEMPTS, LAST],
            [*ends, limit, value_bytes, command, CLAIM],
        ),
    )
    return [_letter(entry) for entry in entries]


class Counts(msgspec.Struct, frozen=True):
    """How many dead letters there are; `waiting` and `parked` include those being retried."""

    total: int
    waiting: int
    parked: int


def counts() -> Counts:
    """The number of dead letters in each state. Raises: redis.RedisError."""
    pipeline = blocking_client().pipeline(transaction=True)
    pipeline.xlen(STREAM)
    pipeline.zcard(DUE)
    total, waiting = pipeline.execute()
    # An entry added by hand is in neither set; nothing retries it, so it counts as parked.
    return Counts(total, waiting, max(total - waiting, 0))


def _wait_ms(failures: int) -> int:
    return int(
        1000 * delay_seconds(failures, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS)
    )


def _letter(entry: Sequence[bytes]) -> DeadLetter:
    letter_id, state, due_ms, attempts, last, payload_bytes, *values = entry
    retries = RetryRecord(
        state=State(state.decode()),
        attempts=int(attempts or 0),
        last=last,
        next_at_ms=int(float(due_ms)) if due_ms else None,
    )
    return read_dead_letter(letter_id.decode(), _fields(values), retries, int(payload_bytes))


def _fields(values: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(values[::2], values[1::2], strict=True))
