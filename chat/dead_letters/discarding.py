"""Discards dead letters for good and on record: who, when, which and why.

| Key (log server) | Type | Expiry | Meaning |
|---|---|---|---|
| `{veche:dead-letters}:discarded` | hash | – | id → `Discarded` of those with a placeholder |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import cast

import msgspec

from chat.audit.entries import Actor
from chat.dead_letters import audit, store
from chat.dead_letters.letters import DeadLetterOrigin
from chat.dead_letters.retrying import Outcome, Result
from chat.dead_letters.store import Refused
from chat.protocol.strict_json import is_storable
from chat.resilience.crash_points import crash_point
from chat.servers.redis_log import blocking_client

MAX_REASON_CHARACTERS = 500


class Discarded(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a discarded dead letter: all but its bytes. Placeholders refer to it."""

    source: str
    reason: str
    origin: DeadLetterOrigin
    why: str
    by: str
    at: datetime


def discard(
    ids: Iterable[str], *, why: str, by: Actor | str, batch: str | None = None
) -> Iterator[Result]:
    """Discards dead letters one by one; `DONE` for each that is gone now.

    A generator, like `retrying.retry`. `why` is a sentence for later readers. `by` is a person; a
    plain name is that of a person at the command line. A dead letter that is being retried at this
    moment is left alone (`BUSY`).

    Raises: ValueError when `why` or `by` is empty or too long; redis.RedisError; OperationalError.
    """
    why = why.strip()
    who = audit.person(by.strip() if isinstance(by, str) else by)
    if not why or not who.name:
        raise ValueError("A reason and a name are needed.")
    if len(why) > MAX_REASON_CHARACTERS or not is_storable(why):
        raise ValueError(f"The reason can have at most {MAX_REASON_CHARACTERS} characters of text.")
    return (_discard_one(one, why, who, batch) for one in ids)


def _discard_one(id: str, why: str, by: Actor, batch: str | None) -> Result:
    claim = store.claim(id, asked=True) if store.is_id(id) else Refused.GONE
    if isinstance(claim, Refused):
        return Result(id, Outcome(claim.value))
    letter = claim.letter
    kept = Discarded(
        source=letter.source,
        reason=letter.reason,
        origin=letter.origin,
        why=why,
        by=by.name,
        at=datetime.now(UTC),
    )
    # Record it before it is gone: a crash in between leaves an entry without an outcome.
    entry = audit.begin("discard", id, by=by, why=why, batch=batch)
    crash_point("dead_letters.before_discarded")
    store.remove(id, msgspec.json.encode(kept) if letter.origin.seq is not None else b"")
    audit.settle(entry, Outcome.DONE, done=True)
    return Result(id, Outcome.DONE)


def discarded(id: str) -> Discarded | None:
    """The record of a discarded dead letter; None if it was not discarded or had no place."""
    found = cast(bytes | None, blocking_client().hget(store.DISCARDED, id))
    return None if found is None else msgspec.json.decode(found, type=Discarded)
