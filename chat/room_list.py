"""Rooms as one person sees them, in `welcome` and over REST."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.conf import settings
from django.db.models import Count, OuterRef, Q, Subquery
from django.utils import timezone

from chat import people, recent_rooms, room_log
from chat.coalescing import Coalescer
from chat.database import in_database
from chat.events import Role, RoomKind, shard_of
from chat.models import Membership, ReadMarker, Room, RoomEvent, ShardCursor, User
from chat.protocol import RoomInfo, UserInfo
from chat.room_log import RoomState


class PublicRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A room that anybody may join."""

    id: int
    slug: str
    name: str
    topic: str
    members: int
    joined: bool


# A member without a marker: from before there were markers, or never looked.
NOTHING_READ = (0, 0)


# People whose rooms are looked up together.
PEOPLE_AT_A_TIME = 32


@dataclass(frozen=True)
class _Person:
    """What PostgreSQL knows of one person's rooms."""

    rooms: list[Room]
    roles: dict[int, Role]
    muted: dict[int, datetime]  # until when the person may not write, there or anywhere
    read: dict[int, tuple[int, int]]  # room → (seq, n) of the person's marker
    peers: dict[int, UserInfo]  # direct room → the other one


@dataclass(frozen=True)
class _Stored:
    people: dict[int, _Person]
    epochs: dict[int, int]  # shard → epoch


async def rooms_of(user_id: int) -> list[RoomInfo]:
    """Every room the person is in, by name; archived ones too.

    Raises: Unavailable when the log or PostgreSQL is away.
    """
    return await _lists.get(user_id) or []


async def room_for(user_id: int, room_id: int) -> RoomInfo | None:
    """One room the person is in, as in `rooms_of`; None when they are not in it."""
    stored = await in_database(_read_stored, {user_id: [room_id]}, True)
    return next(iter((await _combine(stored))[user_id]), None)


async def seen_from_outside(room: Room) -> RoomInfo:
    """A public room as somebody sees it who has not joined: `role` is empty."""
    states = await room_log.room_states([room.pk])
    epochs = await in_database(_epochs)
    return _info(room, states.get(room.pk), "", None, None, epochs, None)


async def _read_lists(user_ids: Sequence[int]) -> dict[int, list[RoomInfo]]:
    recent = await recent_rooms.entered_by(user_ids)
    return await _combine(await in_database(_read_stored, recent))


_lists: Coalescer[int, list[RoomInfo]] = Coalescer(_read_lists, at_most=PEOPLE_AT_A_TIME, at_once=2)


async def _combine(stored: _Stored) -> dict[int, list[RoomInfo]]:
    rooms_of_people = {
        user: [room.pk for room in person.rooms] for user, person in stored.people.items()
    }
    states, logged = await room_log.states_and_roles(rooms_of_people)
    return {
        user: _list_of(person, states, logged.get(user, {}), stored.epochs)
        for user, person in stored.people.items()
    }


def _list_of(
    person: _Person,
    states: Mapping[int, RoomState],
    logged: Mapping[int, Role | None],
    epochs: Mapping[int, int],
) -> list[RoomInfo]:
    # The log decides where it holds the room; where it does not, nothing is left to store and
    # PostgreSQL's copy is exact.
    roles: Mapping[int, Role | None] = {**person.roles, **logged}
    return [
        _info(
            room,
            states.get(room.pk),
            role,
            person.read.get(room.pk, NOTHING_READ if room.pk in person.roles else None),
            person.peers.get(room.pk),
            epochs,
            person.muted.get(room.pk),
        )
        for room in person.rooms
        if (role := roles.get(room.pk)) is not None
    ]


def _info(
    room: Room,
    state: RoomState | None,
    role: str,
    read: tuple[int, int] | None,
    peer: UserInfo | None,
    epochs: Mapping[int, int],
    muted_until: datetime | None,
) -> RoomInfo:
    """`read` is the (seq, n) of the person's marker; None for a newcomer, who begins at head."""
    shard = shard_of(room.pk, settings.ENV.shards)
    head = room.stored_seq if state is None else state.head
    n = room.stored_n if state is None else state.n
    read_seq, read_n = (head, n) if read is None else read
    return RoomInfo(
        id=room.pk,
        slug=room.slug,
        name=room.name if peer is None else peer.name,
        topic=room.topic,
        kind=room.kind,
        archived=room.archived_at is not None if state is None else state.archived,
        epoch=epochs.get(shard, 1) if state is None else state.epoch,
        head=head,
        n=n,
        stored=room.stored_seq if state is None else state.stored,
        read=read_seq,
        read_n=read_n,
        role=str(role),
        peer=peer,
        slow_mode_seconds=room.slow_mode_seconds,
        muted_until=muted_until,
    )


def _read_stored(wanted: Mapping[int, Iterable[int]], only_these: bool = False) -> _Stored:
    """What is stored of the rooms of some people, and of the rooms `wanted` of each besides; with
    `only_these`, of those alone. A handful of queries, however many people there are."""
    more = {user: set(rooms) for user, rooms in wanted.items()}
    memberships = Membership.objects.filter(user_id__in=more)
    if only_these:
        memberships = memberships.filter(room_id__in=set().union(*more.values()))
    roles: dict[int, dict[int, Role]] = {user: {} for user in more}
    mutes: dict[int, dict[int, datetime | None]] = {user: {} for user in more}
    for user, room, role, until in memberships.values_list(
        "user_id", "room_id", "role", "muted_until"
    ):
        if not only_these or room in more[user]:
            roles[user][room] = Role(role)
            mutes[user][room] = until
    ids = {user: {*roles[user], *more[user]} for user in more}
    rooms = Room.objects.filter(pk__in=set().union(*ids.values())).order_by("name", "pk")
    in_order = list(rooms)
    lists = {user: [room for room in in_order if room.pk in ids[user]] for user in more}
    muted = _muted(mutes, ids)
    read = _read_markers(ids)
    peers = _peers(lists)
    people_found = {
        user: _Person(lists[user], roles[user], muted[user], read[user], peers[user])
        for user in more
    }
    return _Stored(people_found, _epochs())


def _muted(
    in_room: Mapping[int, Mapping[int, datetime | None]], rooms: Mapping[int, set[int]]
) -> dict[int, dict[int, datetime]]:
    """For each person and room the later of the mutes there and everywhere, if in force."""
    everywhere = dict(
        User.objects.filter(pk__in=rooms, muted_until__isnull=False).values_list(
            "pk", "muted_until"
        )
    )
    now = timezone.now()
    found: dict[int, dict[int, datetime]] = {}
    for user, ids in rooms.items():
        ends = ((room, (in_room[user].get(room), everywhere.get(user))) for room in ids)
        found[user] = {
            room: end
            for room, both in ends
            if (end := max((at for at in both if at is not None), default=now)) > now
        }
    return found


def _read_markers(rooms_of_people: Mapping[int, set[int]]) -> dict[int, dict[int, tuple[int, int]]]:
    # A marker may stand on an event that is not stored yet; the last stored one before it then
    # says how many messages were read at least.
    last_read = RoomEvent.objects.filter(room=OuterRef("room"), seq__lte=OuterRef("seq"))
    rooms = set().union(*rooms_of_people.values())
    markers = (
        ReadMarker.objects.filter(user_id__in=rooms_of_people, room_id__in=rooms)
        .annotate(n=Subquery(last_read.order_by("-seq").values("n")[:1]))
        .values_list("user_id", "room_id", "seq", "n")
    )
    found: dict[int, dict[int, tuple[int, int]]] = {user: {} for user in rooms_of_people}
    for user, room, seq, n in markers:
        if room in rooms_of_people[user]:
            found[user][room] = (seq, n or 0)
    return found


def _peers(rooms_of_people: Mapping[int, Iterable[Room]]) -> dict[int, dict[int, UserInfo]]:
    others: dict[int, dict[int, int]] = {user: {} for user in rooms_of_people}
    for user, rooms in rooms_of_people.items():
        for room in rooms:
            if room.direct_key is not None:
                low, high = map(int, room.direct_key.split(":"))
                others[user][room.pk] = high if low == user else low
    named = {other for of_user in others.values() for other in of_user.values()}
    found = people.by_ids(named) if named else {}
    return {
        user: {room: found[other] for room, other in of_user.items() if other in found}
        for user, of_user in others.items()
    }


def _epochs() -> dict[int, int]:
    cursors = ShardCursor.objects.filter(kind=ShardCursor.Kind.PERSIST)
    return {shard: max(epoch, 1) for shard, epoch in cursors.values_list("shard", "epoch")}


def public_rooms(user_id: int, text: str, limit: int) -> list[PublicRoom]:
    """Public rooms in use whose name or topic holds `text`, largest first. Uses the ORM.

    `members` and `joined` are as PostgreSQL has them, so a moment old.
    """
    rooms = (
        Room.objects.filter(kind=RoomKind.PUBLIC, archived_at=None, stored_seq__gt=0)
        .filter(Q(name__icontains=text) | Q(topic__icontains=text))
        .annotate(
            members=Count("memberships"),
            joined=Count("memberships", filter=Q(memberships__user_id=user_id)),
        )
        .order_by("-members", "name")[:limit]
    )
    return [
        PublicRoom(
            id=room.pk,
            slug=room.slug,
            name=room.name,
            topic=room.topic,
            members=room.members,
            joined=room.joined > 0,
        )
        for room in rooms
    ]
