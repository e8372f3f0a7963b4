"""Which message of a room was the first since a moment.

A room's messages are in the order of the log's clock, so the place is found by halving: some twenty
rows, however long the room is, and no index for it. Where that clock was set back, by hand or when
another server took over, the place is off by no more than the clock was.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from django.db.models import Max, Min

from chat import room_log
from chat.errors import Unavailable
from chat.events import EventType
from chat.models import Message, Room
from chat.queries import access
from chat.servers.postgres import in_database

# What waits to be stored for longer is as good as not there: the newest message is not found then.
MAX_UNSTORED_EVENTS = 10_000


class PlaceInTime(msgspec.Struct, frozen=True):
    """A message and its time; both None if there is none."""

    seq: int | None = None
    at: datetime | None = None


async def first_since(user_id: int, room_id: int, moment: datetime) -> PlaceInTime:
    """The first message at or after `moment` in a room of the person, deleted or not.

    Raises: ClientError for a room that is not theirs; Unavailable when log or PostgreSQL is down.
    """
    await access.as_member(user_id, room_id)
    stored, place = await in_database(_stored_since, room_id, moment)
    if place.seq is not None:
        return place
    try:
        waiting = await room_log.hot_events(room_id, stored, MAX_UNSTORED_EVENTS)
    except Unavailable:
        waiting = None  # what is stored has been looked through
    for event in waiting or []:
        if event.type is EventType.MESSAGE_POSTED and event.at >= moment:
            return PlaceInTime(event.seq, event.at)
    return PlaceInTime()


def _stored_since(room_id: int, moment: datetime) -> tuple[int, PlaceInTime]:
    stored = Room.objects.filter(pk=room_id).values_list("stored_seq", flat=True).first() or 0
    return stored, stored_since(room_id, moment, replies=False)


def stored_since(room_id: int, moment: datetime, *, replies: bool = True) -> PlaceInTime:
    """The first stored message at or after `moment`; without `replies`, of those that the room
    shows. Uses the ORM."""
    messages = Message.objects.filter(room_id=room_id)
    if not replies:
        messages = messages.exclude(n=None)
    ends = messages.aggregate(first=Min("seq"), last=Max("seq"))
    first, last = ends["first"], ends["last"]
    found = PlaceInTime()
    # Messages before `first` are older than the moment; one at `found` is not.
    while first is not None and first <= last:
        middle = (first + last) // 2
        later = messages.filter(seq__gte=middle).order_by("seq")
        seq, at = later.values_list("seq", "at")[:1].get()
        if at >= moment:
            found = PlaceInTime(seq, at)
            last = middle - 1
        else:
            first = seq + 1
    return found
