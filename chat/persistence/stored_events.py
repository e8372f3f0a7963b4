"""Reads room events from PostgreSQL, in the form that they have in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from chat.events import EventType, RoomEvent
from chat.models import RoomEvent as Row
from chat.models.events import ROOM_CHANGES


def read_after(room: int, after: int, limit: int) -> list[RoomEvent]:
    """At most `limit` stored events of `room` after seq `after`, in seq order.

    Raises: OperationalError.
    """
    rows = _with_data_text().filter(room_id=room, seq__gt=after).order_by("seq")[:limit]
    return [_as_event(row) for row in rows]


def room_changes(room: int, first: int, before: int, limit: int) -> list[RoomEvent]:
    """The last `limit` events with `first` <= seq < `before` that are about the room and its
    people, not about messages, in seq order.

    Raises: OperationalError.
    """
    rows = _with_data_text().filter(
        room_id=room, seq__gte=first, seq__lt=before, type__in=ROOM_CHANGES
    )
    return [_as_event(row) for row in rows.order_by("-seq")[:limit]][::-1]


def find_by_key(actor: int, key: str) -> RoomEvent | None:
    """The event that `actor` made under an idempotency key, no matter how long ago.

    Raises: OperationalError.
    """
    row = _with_data_text().filter(actor_id=actor, key=key).first()
    return None if row is None else _as_event(row)


def read_about(
    room: int,
    kinds: Sequence[EventType],
    about: Mapping[str, int | str],
    *,
    first: int = 1,
    last: int | None = None,
) -> list[RoomEvent]:
    """Stored events of `kinds` from seq `first` to `last` whose data holds `about`, in seq order.

    Reads every event of the room in that range: for rare work, not for requests.

    Raises: OperationalError.
    """
    rows = _with_data_text().filter(room_id=room, seq__gte=first, type__in=kinds)
    if last is not None:
        rows = rows.filter(seq__lte=last)
    if about:
        rows = rows.filter(data__contains=dict(about))
    return [_as_event(row) for row in rows.order_by("seq")]


def find_by_keys(keys: Sequence[tuple[int, str]]) -> list[RoomEvent]:
    """The events that were made under these (actor, idempotency key) pairs; [] for none.

    Raises: OperationalError.
    """
    if not keys:
        return []
    # The ORM has no row comparison, and (actor, key) is what the index is on.
    rows = _with_data_text().extra(
        where=["(actor_id, key) IN (SELECT * FROM unnest(%s::bigint[], %s::uuid[]))"],
        params=[[actor for actor, _ in keys], [key for _, key in keys]],
    )
    return [_as_event(row) for row in rows]


def _with_data_text() -> QuerySet[Row]:
    return Row.objects.annotate(data_text=Cast("data", TextField())).defer("data")


def _as_event(row: Row) -> RoomEvent:
    return RoomEvent(
        room=row.room_id,
        epoch=row.epoch,
        seq=row.seq,
        n=row.n,
        type=EventType(row.type),
        key=None if row.key is None else str(row.key),
        actor=row.actor_id,
        at=row.at,
        # Passed on as PostgreSQL returns it, without decoding and encoding it again.
        data=msgspec.Raw(row.data_text.encode()),  # type: ignore[attr-defined]
    )
