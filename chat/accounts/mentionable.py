"""What names in a message mean: people, groups of people, rooms.

Functions use the ORM; call them through `chat.servers.postgres.in_database`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec
from django.db import connection

from chat.events.mentions import Mentions
from chat.names.mentions import Written
from chat.names.usernames import PROBE_USERNAME

# Whoever mentions a room sees it: a public one, or one that they are in.
LOOK_UP = """
    SELECT 'person', username, id, EXISTS (
        SELECT FROM chat_membership WHERE user_id = chat_user.id AND room_id = %(room)s)
    FROM chat_user WHERE username = ANY(%(names)s) AND is_active AND username <> %(probe)s
    UNION ALL
    SELECT 'group', handle, id, true FROM chat_peoplegroup WHERE handle = ANY(%(names)s)
    UNION ALL
    SELECT 'room', slug, id, EXISTS (
        SELECT FROM chat_membership WHERE user_id = %(author)s AND room_id = room.id)
    FROM chat_room AS room
    WHERE slug = ANY(%(addresses)s) AND kind = 'private'
    UNION ALL
    SELECT 'public', slug, id, NOT EXISTS (
        SELECT FROM chat_ban WHERE user_id = %(author)s AND room_id = room.id)
    FROM chat_room AS room
    WHERE slug = ANY(%(addresses)s) AND kind = 'public'
"""


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What there is by those names, whoever may see it."""

    people: dict[str, int] = {}
    groups: dict[str, int] = {}
    public_rooms: dict[str, int] = {}
    private_rooms: dict[str, int] = {}
    # As stored: the people who are in the room, the private rooms that the author is in.
    members: frozenset[int] = frozenset()
    entered: frozenset[int] = frozenset()


def look_up(author: int | None, room: int, written: Written) -> Named:
    """One statement, with as many names as a text may hold (`chat.actions.mentions`)."""
    with connection.cursor() as cursor:
        cursor.execute(
            LOOK_UP,
            {
                "room": room,
                "author": author,
                "names": sorted(written.names()),
                "addresses": sorted(written.addresses()),
                "probe": PROBE_USERNAME,
            },
        )
        rows = cursor.fetchall()
    of_kind: dict[str, dict[str, int]] = {"person": {}, "group": {}, "room": {}, "public": {}}
    holds: dict[str, set[int]] = {kind: set() for kind in of_kind}
    for kind, name, target, is_so in rows:
        of_kind[kind][name] = target
        if is_so:
            holds[kind].add(target)
    public = {name: one for name, one in of_kind["public"].items() if one in holds["public"]}
    return Named(
        people=of_kind["person"],
        groups=of_kind["group"],
        public_rooms=public,
        private_rooms=of_kind["room"],
        members=frozenset(holds["person"]),
        entered=frozenset(holds["room"]),
    )


def mentions(
    written: Written, named: Named, members: Collection[int], entered: Collection[int]
) -> Mentions:
    """What the names mean when `members` of the people are in the room, and its author is in
    `entered` of the private rooms.

    A name means what its longest known reading means. Somebody who is not in the room is not
    mentioned, by whatever a shorter reading says either.
    """
    people: dict[str, int] = {}
    groups: dict[str, int] = {}
    for readings in written.people:
        name = _first(readings, lambda one: one in named.people or one in named.groups)
        if name is None:
            continue
        if name not in named.people:
            groups[name] = named.groups[name]
        elif named.people[name] in members:
            people[name] = named.people[name]
    visible = named.public_rooms | {
        name: room for name, room in named.private_rooms.items() if room in entered
    }
    rooms = {
        name: visible[name]
        for readings in written.rooms
        if (name := _first(readings, visible.__contains__)) is not None
    }
    return Mentions(people=people, groups=groups, rooms=rooms, all=written.all)


def as_stored(author: int | None, room: int, written: Written) -> Mentions:
    """What the names mean by what PostgreSQL holds alone."""
    named = look_up(author, room, written)
    return mentions(written, named, named.members, named.entered)


def _first(readings: Collection[str], is_known: Callable[[str], bool]) -> str | None:
    return next((name for name in readings if is_known(name)), None)
