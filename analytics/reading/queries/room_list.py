"""Rooms by name, as the events name them."""

from __future__ import annotations

from django.db.models import F

from analytics.host import host
from analytics.models import CountedRoom
from analytics.reading.queries.ranks import DIRECT


def find_rooms(text: str, limit: int) -> list[CountedRoom]:
    """Rooms whose name or slug contains `text`, those with the newest events first.

    Without direct conversations, unknown rooms, and the installation's own rooms.
    """
    known = CountedRoom.objects.exclude(kind__in=["", DIRECT]).exclude(
        room__in=host().own_traffic().rooms
    )
    named = known.filter(name__icontains=text) | known.filter(slug__icontains=text)
    return list(named.order_by(F("last_at").desc(nulls_last=True), "room")[:limit])
