"""Puts what is done through the admin on record: who, from where, what, to whom and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from chat.audit import entries as audit
from chat.audit.entries import MAX_REASON_CHARACTERS as REASON_CHARACTERS
from chat.audit.entries import Actor, Channel, Kind, NewEntry, Result, Target
from chat.audit.permissions import Act
from chat.models import Room, User

__all__ = ["REASON_CHARACTERS", "acting", "by", "note", "record_private_reads"]


class Open:
    """An act in progress. `detail` says how it went, in a few words, never with people's texts."""

    detail = ""


def by(request: HttpRequest) -> Actor:
    """Who acts: a member of staff, through the admin."""
    return audit.actor_of_request(request, Channel.ADMIN, staff=True)


def note(request: HttpRequest, act: Act, kind: Kind, id: str, **more: Any) -> None:
    """Puts on record what this request does: a reading, an export, the start of a job."""
    with transaction.atomic():
        audit.record(_entry(request, act, kind, id, **more))


@contextmanager
def acting(request: HttpRequest, act: Act, kind: Kind, id: str, **more: Any) -> Iterator[Open]:
    """Wraps an act: commits its entry before, and writes its outcome after.

    An act that fails is on record as not done; if the process dies, it has no outcome.
    """
    entry = audit.begin(_entry(request, act, kind, id, **more)).entry
    open_act = Open()
    try:
        yield open_act
    except BaseException:
        audit.settle(entry.pk, Result.NOT_DONE, detail=open_act.detail)
        raise
    audit.settle(entry.pk, Result.DONE, detail=open_act.detail)


def record_private_reads(request: HttpRequest, rooms: Iterable[Room], what: str) -> None:
    """Puts on record that this person is about to see texts that not everybody may read."""
    for room in rooms:
        audit.record_private_read(by(request), room.pk, what)


def _entry(
    request: HttpRequest,
    act: Act,
    kind: Kind,
    id: str,
    *,
    room: Room | None = None,
    seq: int | None = None,
    user: User | None = None,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> NewEntry:
    target = Target(
        kind=kind,
        id=id[:64],
        room=None if room is None else room.pk,
        seq=seq,
        user=None if user is None else user.pk,
    )
    return NewEntry(
        by=by(request), action=act, target=target, reason=reason, before=before, after=after
    )
