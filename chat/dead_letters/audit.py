"""Records in the audit log what people did with dead letters: who, when, which and why.

An entry is written before the act and its outcome after it, as everywhere (`chat.audit.entries`).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from chat.audit import entries as audit
from chat.audit.entries import Actor, Channel, Kind, NewEntry, Result
from chat.audit.permissions import Act
from chat.models import AuditEntry

ACTS = {
    "retry": Act.DEAD_LETTER_RETRY,
    "release": Act.DEAD_LETTER_RELEASE,
    "discard": Act.DEAD_LETTER_DISCARD,
}
NAMES = {str(act): name for name, act in ACTS.items()}


class AuditLine(msgspec.Struct, frozen=True):
    """One thing that a person did with a dead letter."""

    at: datetime
    action: str  # "retry", "release" or "discard"
    letter: str
    by: str
    why: str


def person(by: Actor | str) -> Actor:
    """The actor; a plain name is that of a person at the command line."""
    if isinstance(by, Actor):
        return by
    return Actor(user_id=None, name=by, channel=Channel.COMMAND, staff=True)


def begin(action: str, letter: str, *, by: Actor, why: str = "", batch: str | None = None) -> int:
    """Records what a person does with a dead letter, before it is done; the id of the entry.

    Raises: OperationalError.
    """
    new = NewEntry(
        by=by,
        action=ACTS[action],
        target=audit.dead_letter_target(letter),
        reason=why,
        batch=batch,
    )
    return audit.begin(new).entry.pk


def settle(entry: int, outcome: str, *, done: bool) -> None:
    """Records how it ended. Raises: OperationalError."""
    audit.settle(entry, Result.DONE if done else Result.NOT_DONE, detail=outcome)


def lines(limit: int, letter: str | None = None) -> list[AuditLine]:
    """The last `limit` acts of people, on all dead letters or on one, newest first."""
    found = AuditEntry.objects.filter(target_kind=Kind.DEAD_LETTER, action__in=list(NAMES))
    if letter is not None:
        found = found.filter(target_id=letter)
    return [
        AuditLine(entry.at, NAMES[entry.action], entry.target_id, entry.actor_name, entry.reason)
        for entry in found.order_by("-id")[:limit]
    ]
