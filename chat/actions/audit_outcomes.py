"""Completes the audit log: finds out how acts ended whose process died before it could say.

The event of an act has the idempotency key of its entry. So the log, which knows a key for 6 h,
and PostgreSQL, which knows it for good, say whether it was done.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from chat import dead_letters
from chat.audit import entries as audit
from chat.audit.entries import Kind, Result
from chat.audit.permissions import Action
from chat.models import AuditEntry
from chat.persistence import stored_events
from chat.room_log.reading import place_of_key
from chat.servers import clocks

logger = logging.getLogger(__name__)

# An act takes a second; by then its process has said how it ended, or is dead.
SETTLE_AFTER = timedelta(minutes=1)
# Whoever still waits for the log has given up long before that, so nothing is coming any more.
NOT_DONE_AFTER = timedelta(minutes=10)
MAX_ENTRIES = 500

# Their change is committed with the entry; only the rooms of the person are told after it.
DONE_WITH_THEIR_ENTRY = frozenset({Action.PERSON_MUTE, Action.PERSON_UNMUTE})


def complete(now: datetime | None = None) -> int:
    """Writes the missing outcomes of entries that are old enough; how many it wrote.

    Raises: redis.RedisError; OperationalError. Entries that were not reached are taken up by the
    next call.
    """
    now = now or clocks.DATABASE.now()
    settled = 0
    for entry in audit.without_outcome(now - SETTLE_AFTER, MAX_ENTRIES):
        settled += _settle(entry, now)
    if settled:
        logger.warning("%s acts had no outcome on record; they have one now", settled)
    return settled


def _settle(entry: AuditEntry, now: datetime) -> bool:
    if entry.action in DONE_WITH_THEIR_ENTRY:
        audit.settle(entry.pk, Result.DONE, detail="its rooms may not have been told")
        return True
    seq = find_place(entry)
    if seq is not None:
        audit.settle(entry.pk, Result.DONE, seq=seq)
        return True
    if entry.target_kind == Kind.DEAD_LETTER and dead_letters.get(entry.target_id) is None:
        audit.settle(entry.pk, Result.DONE)
        return True
    if entry.at > now - NOT_DONE_AFTER:
        return False
    audit.settle(entry.pk, Result.NOT_DONE)
    return True


def find_place(entry: AuditEntry) -> int | None:
    """Where the event of an act stands in its room's log; None when it was not logged.

    Raises: redis.RedisError; OperationalError.
    """
    if entry.key is None or entry.actor_id is None:
        return None
    # The log first: an event that leaves it meanwhile is in PostgreSQL by then.
    logged = place_of_key(entry.actor_id, str(entry.key))
    if logged is not None:
        return logged[1]
    stored = stored_events.find_by_key(entry.actor_id, str(entry.key))
    return None if stored is None else stored.seq
