"""Completes the audit log: finds out how an act ended when its process died before recording it.

The event of an act carries the idempotency key of its audit entry. So the log, which remembers a
key for 6 h, and PostgreSQL, which remembers it forever, can tell whether the act was done.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from chat import dead_letters
from chat.audit import entries as audit
from chat.audit.entries import Kind, Result
from chat.audit.permissions import Act
from chat.models import AuditEntry
from chat.persistence import stored_events
from chat.room_log.reading import place_of_key
from chat.servers import clocks

logger = logging.getLogger(__name__)

# An act takes a second; by now its process has recorded how it ended, or is dead.
SETTLE_AFTER = timedelta(minutes=1)
# Every caller that waited for the log has long given up by now, so no event will follow.
NOT_DONE_AFTER = timedelta(minutes=10)
MAX_ENTRIES = 500

# Their change is committed with the entry; only the person's rooms are told afterwards.
DONE_WITH_THEIR_ENTRY = frozenset({Act.PERSON_MUTE, Act.PERSON_UNMUTE})


def complete(now: datetime | None = None) -> int:
    """Writes the missing outcomes of entries that are old enough; returns how many it wrote.

    Raises: redis.RedisError; OperationalError. The next call handles the entries not reached.
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
    """The seq of an act's event in its room's log; None when it was not logged.

    Raises: redis.RedisError; OperationalError.
    """
    if entry.key is None or entry.actor_id is None:
        return None
    # The log first: an event that leaves the log in between is in PostgreSQL by then.
    logged = place_of_key(entry.actor_id, str(entry.key))
    if logged is not None:
        return logged[1]
    stored = stored_events.find_by_key(entry.actor_id, str(entry.key))
    return None if stored is None else stored.seq
