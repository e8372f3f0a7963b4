"""Rooms by name, as the events told them."""

from __future__ import annotations

from django.db.models import F

from analytics.host import host
from analytics.models import CountedRoom
from analytics.reading.queries.ranks import DIRECT


def find_rooms(text: str, limit: int) -> list[CountedRoom]:
    """Rooms whose name or slug holds `text`, those with the newest events first.

    No direct conversations, nor rooms of which nothing is known yet, nor our own.
    """
    known = CountedRoom.objects.exclude(kind__in=["", DIRECT]).exclude(
        room__in=host().own_traffic().rooms
    )
    named = known.filter(name__icontains=text) | known.filter(slug__icontains=text)
    return list(named.order_by(F("last_at").desc(nulls_last=True), "room")[:limit])
