"""What an act is done to: the messages, members, people or rooms that a form names."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.utils.translation import gettext as _

from chat.actions.preview import TargetIds
from chat.admin.kit.room_lookup import is_id
from chat.admin.moderation.history_filter import may_read, recorded
from chat.audit.entries import Kind
from chat.models import Message, Room, User

# Each takes an append and its audit entry, together some hundredths of a second.
MAX_TARGETS = 100
EXCERPT_CHARACTERS = 200
# The form field that names targets of a kind.
FIELDS = {
    Kind.MESSAGE: "ids",
    Kind.MEMBER: "members",
    Kind.PERSON: "people",
    Kind.ROOM: "rooms",
}


class ShownTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One target as the pages show it. `text`: what was written, if this person may read it."""

    given: str  # as in the form
    ids: TargetIds
    name: str
    text: str = ""
    now: str = ""  # its present state
    open: bool = True  # whether this person may know what its room contains


def targets_of(request: HttpRequest, kind: Kind, *, with_texts: bool) -> list[ShownTarget]:
    """The targets that a form names and that exist, in the order of the form.

    `with_texts`: with the messages' texts, if this person may read them. They are about to be
    shown, so the reading of private rooms is on record when this returns.

    Raises: BadRequest for more than a form may name, or for invalid targets.
    """
    given = list(dict.fromkeys(request.POST.getlist(FIELDS[kind])))
    if len(given) > MAX_TARGETS:
        raise BadRequest(f"At most {MAX_TARGETS} at a time.")
    numbers = [numbers_of(one, 2 if kind == Kind.MEMBER else 1) for one in given]
    if kind == Kind.MESSAGE:
        found = _messages(request, numbers, with_texts=with_texts)
    elif kind == Kind.MEMBER:
        found = _members(request, numbers)
    else:
        found = {Kind.PERSON: _people, Kind.ROOM: _rooms}[kind](numbers)
    return [found[one] for one in given if one in found]


def numbers_of(given: str, parts: int) -> tuple[int, ...]:
    """The numbers in `5` or `5:7`. Raises: BadRequest."""
    texts = given.split(":")
    if len(texts) != parts or not all(map(is_id, texts)):
        raise BadRequest("These are not targets.")
    return tuple(int(one) for one in texts)


def _messages(
    request: HttpRequest, numbers: Sequence[tuple[int, ...]], *, with_texts: bool
) -> dict[str, ShownTarget]:
    rows = list(
        Message.objects.filter(pk__in=[one[0] for one in numbers]).select_related("room", "author")
    )
    readable = [row for row in rows if with_texts and may_read(request, row.room)]
    recorded(request, readable, "preview of an act")
    return {
        str(row.pk): ShownTarget(
            given=str(row.pk),
            ids=(row.room_id, row.seq),
            name=f"#{row.room.slug} seq {row.seq}"
            + ("" if row.author is None else f", @{row.author.username}"),
            text=row.body[:EXCERPT_CHARACTERS] if row in readable else "",
            now=_("deleted") if row.deleted_at is not None else "",
            open=may_read(request, row.room),
        )
        for row in rows
    }


def _members(request: HttpRequest, numbers: Sequence[tuple[int, ...]]) -> dict[str, ShownTarget]:
    rooms = Room.objects.in_bulk([room for room, _user in numbers])
    users = User.objects.in_bulk([user for _room, user in numbers])
    return {
        f"{room}:{user}": ShownTarget(
            given=f"{room}:{user}",
            ids=(room, user),
            name=f"@{users[user].username}, #{rooms[room].slug}",
            open=may_read(request, rooms[room]),
        )
        for room, user in numbers
        if room in rooms and user in users
    }


def _people(numbers: Sequence[tuple[int, ...]]) -> dict[str, ShownTarget]:
    users = User.objects.in_bulk([one[0] for one in numbers])
    return {
        str(pk): ShownTarget(
            given=str(pk),
            ids=(pk,),
            name=f"@{user.username}",
            text=user.display_name,
            now="" if user.is_active else _("deactivated"),
        )
        for pk, user in users.items()
    }


def _rooms(numbers: Sequence[tuple[int, ...]]) -> dict[str, ShownTarget]:
    rooms = Room.objects.in_bulk([one[0] for one in numbers])
    return {
        str(pk): ShownTarget(
            given=str(pk),
            ids=(pk,),
            name=f"#{room.slug}",
            text=room.name,
            now=_("archived") if room.archived_at is not None else "",
        )
        for pk, room in rooms.items()
    }
