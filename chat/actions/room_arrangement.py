"""A person arranges their list of rooms: favourites, sections, order, closed conversations.

One small document of each person, replaced as a whole. A change names the version that it was made
from, so that of two devices that change it at once the second one has to look again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from django.db import IntegrityError, transaction
from msgspec import structs

from chat.errors import ClientError
from chat.hints import to_hubs
from chat.models import RoomArrangement
from chat.names.labels import check_label
from chat.protocol import Arrangement, RoomSection
from chat.servers.postgres import in_database

MAX_SECTIONS = 50
MAX_SECTION_NAME_CHARACTERS = 40
MAX_PLACED_ROOMS = 2_000
MAX_CLOSED = 500


async def arranged(user_id: int) -> Arrangement:
    """The person's arrangement; version 0 if they have made none.

    Raises: Unavailable.
    """
    return await in_database(_read, user_id)


async def arrange(user_id: int, wanted: Arrangement) -> Arrangement:
    """Replace the person's arrangement of version `wanted.version`, and tell their devices.

    Raises: ClientError `key_conflict` when that is not its version any more, `too_many` for more
    than the limits above, and what `check_label` raises for names of sections; Unavailable.
    """
    placed = [wanted.favourites, *(section.rooms for section in wanted.sections)]
    if len(wanted.sections) > MAX_SECTIONS or sum(map(len, placed)) > MAX_PLACED_ROOMS:
        raise ClientError("too_many", "The list of rooms has too many sections or rooms in them.")
    if len(wanted.closed) > MAX_CLOSED:
        raise ClientError("too_many", "Too many conversations are closed.")
    new = _in_order(wanted)
    if not await in_database(_replace, user_id, new):
        raise ClientError("key_conflict", "The list of rooms was arranged anew meanwhile.")
    to_hubs.publisher().to_hubs({"type": "arranged", "user": user_id, "version": new.version})
    return new


def _in_order(wanted: Arrangement) -> Arrangement:
    """The next version, with each room in one section at most."""
    seen: set[int] = set()
    sections = [
        RoomSection(
            name=check_label(section.name, "name", MAX_SECTION_NAME_CHARACTERS),
            rooms=_once(section.rooms, seen),
            collapsed=section.collapsed,
        )
        for section in wanted.sections
    ]
    return structs.replace(
        wanted,
        version=wanted.version + 1,
        favourites=_once(wanted.favourites, set()),
        sections=sections,
        collapsed=sorted(set(wanted.collapsed)),
    )


def _once(rooms: Iterable[int], seen: set[int]) -> Sequence[int]:
    kept = []
    for room in rooms:
        if room not in seen:
            seen.add(room)
            kept.append(room)
    return kept


def _read(user_id: int) -> Arrangement:
    found = RoomArrangement.objects.filter(pk=user_id).first()
    if found is None:
        return Arrangement(version=0)
    # What a later version of the software has added is left out.
    return msgspec.convert({**found.layout, "version": found.version}, Arrangement)


def _replace(user_id: int, new: Arrangement) -> bool:
    layout = {name: value for name, value in msgspec.to_builtins(new).items() if name != "version"}
    before = RoomArrangement.objects.filter(pk=user_id, version=new.version - 1)
    if before.update(version=new.version, layout=layout):
        return True
    if new.version != 1:
        return False
    try:
        with transaction.atomic():
            RoomArrangement.objects.create(user_id=user_id, version=1, layout=layout)
    except IntegrityError:
        return False
    return True
