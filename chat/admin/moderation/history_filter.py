"""Which messages a moderator looks for, and which of them they may see.

Private rooms and direct conversations are left out unless somebody with the right asks for them: a
search in them reveals what is written there just as reading does. Each private room whose texts
are shown is then on record (`recorded`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from chat.admin.kit.moments import moment_of
from chat.admin.kit.records import record_private_reads
from chat.admin.kit.room_lookup import find_person, find_room
from chat.events import RoomKind
from chat.models import Message, Report, Room
from chat.queries.message_search import matching
from chat.queries.search import MAX_QUERY_CHARACTERS
from chat.queries.search_query import is_enough, parse

READ_PRIVATE = "chat.view_private_rooms"
MAX_CHOSEN = 500
STATES = ("edited", "deleted", "reported")


class HistoryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; a field that is None or empty matches all. `chosen`: message ids."""

    room: int | None = None
    author: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: str | None = None
    words: str = ""
    private: bool = False
    chosen: list[int] = []

    @property
    def key(self) -> tuple[str, ...]:
        """The fields that order the list: the room's own order in one room, time across rooms."""
        return ("seq",) if self.room is not None else ("at", "id")


def read_filter(request: HttpRequest, given: Mapping[str, Any]) -> tuple[HistoryFilter, list[str]]:
    """The filter in a form, and what is wrong with the form; faulty parts are left out."""
    problems: list[str] = []
    room, author = find_room(given.get("room") or ""), find_person(given.get("author") or "")
    if given.get("room") and room is None:
        problems.append(_("There is no such room: give its address or its number."))
    if given.get("author") and author is None:
        problems.append(_("Nobody has this name."))
    times: dict[str, datetime | None] = {"since": None, "until": None}
    for name in times:
        try:
            times[name] = moment_of(given.get(name) or "")
        except ValueError:
            problems.append(_("A time looks like 2026-11-25 09:30."))
    state = given.get("state") or None
    if state is not None and state not in STATES:
        problems.append(_("There is no such state."))
    words = (given.get("q") or "").strip()
    if words and not (is_enough(words) and len(words) <= MAX_QUERY_CHARACTERS):
        problems.append(_("A search has 2 to 500 characters."))
    private = bool(given.get("private")) and request.user.has_perm(READ_PRIVATE)
    if room is not None and room.kind != RoomKind.PUBLIC and not private:
        problems.append(
            _("This room is private: tick “private rooms too”; that goes on record.")
            if request.user.has_perm(READ_PRIVATE)
            else _("This room is private, and you may not read private rooms.")
        )
    return (
        HistoryFilter(
            room=None if room is None else room.pk,
            author=None if author is None else author.pk,
            state=state,
            words=words,
            private=private,
            since=times["since"],
            until=times["until"],
        ),
        problems,
    )


def messages_of(wanted: HistoryFilter) -> QuerySet[Message]:
    """The messages that match `wanted`, unordered, each with its room and author."""
    found = Message.objects.select_related("room", "author")
    if wanted.chosen:
        found = found.filter(pk__in=wanted.chosen)
    if wanted.room is not None:
        found = found.filter(room=wanted.room)
    if wanted.author is not None:
        found = found.filter(author=wanted.author)
    if wanted.since is not None:
        found = found.filter(at__gte=wanted.since)
    if wanted.until is not None:
        found = found.filter(at__lte=wanted.until)
    if wanted.state == "edited":
        found = found.exclude(edited_at=None)
    elif wanted.state == "deleted":
        found = found.exclude(deleted_at=None)
    elif wanted.state == "reported":
        found = found.filter(
            Exists(Report.objects.filter(room=OuterRef("room"), seq=OuterRef("seq")))
        )
    if not wanted.private:
        # A subquery instead of a join: PostgreSQL then keeps to the order of the index.
        found = found.filter(room__in=Room.objects.filter(kind=RoomKind.PUBLIC).values("pk"))
    if wanted.words:
        rooms = None if wanted.room is None else [wanted.room]
        found = found.filter(matching(parse(wanted.words), wanted.words, rooms))
    return found


def recorded(
    request: HttpRequest, messages: list[Message], what: str, told: Message | None = None
) -> None:
    """Puts on record which texts this person is about to see that not everybody may read.

    These are texts in private rooms and deleted texts in public rooms. For `told`, whose event log
    is shown, they include replaced texts.
    """
    places: dict[int, list[int]] = {}
    rooms: dict[int, Room] = {}
    for message in messages:
        is_gone = message.deleted_at is not None or (
            told is not None and message.pk == told.pk and message.edited_at is not None
        )
        if message.room.kind != RoomKind.PUBLIC or is_gone:
            rooms[message.room_id] = message.room
            places.setdefault(message.room_id, []).append(message.seq)
    for room_id, room in rooms.items():
        seqs = places[room_id]
        where = f"seq {min(seqs)} to {max(seqs)}"
        gone = "deleted or replaced texts, " if room.kind == RoomKind.PUBLIC else ""
        record_private_reads(request, [room], f"{what}, {gone}{where}")


def may_read(request: HttpRequest, room: Room) -> bool:
    return room.kind == RoomKind.PUBLIC or request.user.has_perm(READ_PRIVATE)
