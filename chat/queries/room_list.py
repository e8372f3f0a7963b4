"""Rooms as one person sees them, in `welcome` and over REST."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from msgspec import UNSET

from chat import room_log
from chat.accounts import people
from chat.events import Role, RoomKind, shard_of
from chat.models import AbsentMute, Ban, Membership, ReadMarker, Room, RoomEvent, ShardCursor, User
from chat.protocol import RoomInfo, UserInfo
from chat.queries import people_search, recent_rooms, unread
from chat.resilience.coalescing import Coalescer
from chat.resilience.slices import Slices
from chat.room_log import RoomState
from chat.servers import clocks
from chat.servers.postgres import in_database


class PublicRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A room that anybody may join."""

    id: int
    slug: str
    name: str
    topic: str
    members: int
    joined: bool


class Marker(NamedTuple):
    """How far a person has read: up to `seq`, message number `n`."""

    seq: int
    n: int
    set_at_ms: int = 0


# A member without a marker: one from before markers existed, or one who never looked.
NOTHING_READ = Marker(0, 0)


# People in no more rooms than this see all of them. Others see archived rooms, older direct
# conversations, and those in which nothing was said for a long time, only on demand.
EVERYTHING_UP_TO = 200
MAX_DIRECT = 200
SILENT_AFTER = timedelta(days=30)

# People whose rooms are looked up together.
PEOPLE_AT_A_TIME = 32


@dataclass(frozen=True)
class _Person:
    """What PostgreSQL knows about one person's rooms."""

    rooms: list[Room]
    roles: dict[int, Role]
    muted: dict[int, datetime]  # until when the person may not write, there or anywhere
    read: dict[int, Marker]  # by room
    peers: dict[int, UserInfo]  # direct room → the other person


@dataclass(frozen=True)
class _Stored:
    people: dict[int, _Person]
    epochs: dict[int, int]  # shard → epoch


async def rooms_of(user_id: int) -> list[RoomInfo]:
    """The rooms that the person sees without asking, by name: see `shown`.

    Raises: Unavailable when the log or PostgreSQL is down.
    """
    return await _lists.get(user_id) or []


async def some_of(user_id: int, room_ids: Iterable[int]) -> list[RoomInfo]:
    """Those of the rooms that the person is in, by name.

    Raises: Unavailable when the log or PostgreSQL is down.
    """
    stored = await in_database(_read_stored, {user_id: list(room_ids)}, True)
    return (await _combine(stored))[user_id]


async def ids_of(user_id: int) -> list[int]:
    """All rooms that the person is in.

    Raises: Unavailable when the log or PostgreSQL is down.
    """
    recent = await recent_rooms.entered_by([user_id])
    stored = await in_database(_stored_ids, user_id)
    among = await room_log.members_among({room: [user_id] for room in {*stored, *recent[user_id]}})
    # For a room that is not in the log, PostgreSQL's copy is exact.
    unloaded = stored - among.keys()
    return sorted(unloaded | {room for room, members in among.items() if user_id in members})


async def further_rooms(user_id: int, text: str, offset: int, limit: int) -> list[RoomInfo]:
    """Rooms of the person that are not in `rooms_of`, the most recently used first; `text` is part
    of a room's or a person's name.

    Raises: Unavailable when the log or PostgreSQL is down.
    """
    found = await in_database(_find_further, user_id, text, offset, limit)
    infos = {room.id: room for room in await some_of(user_id, found)} if found else {}
    return [infos[room] for room in found if room in infos]


async def room_for(user_id: int, room_id: int) -> RoomInfo | None:
    """One room the person is in, as in `rooms_of`; None when they are not in it."""
    stored = await in_database(_read_stored, {user_id: [room_id]}, True)
    return next(iter((await _combine(stored))[user_id]), None)


async def seen_from_outside(room: Room) -> RoomInfo:
    """A public room as a person who has not joined sees it: `role` is empty."""
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
    slices = Slices()
    lists = {
        user: await _list_of(person, states, logged.get(user, {}), stored.epochs, slices)
        for user, person in stored.people.items()
    }
    return await unread.counted(lists)


async def _list_of(
    person: _Person,
    states: Mapping[int, RoomState],
    logged: Mapping[int, Role | None],
    epochs: Mapping[int, int],
    slices: Slices,
) -> list[RoomInfo]:
    # The log decides for rooms that it holds. For others nothing is left to store, so PostgreSQL's
    # copy is exact.
    roles: Mapping[int, Role | None] = {**person.roles, **logged}
    found = []
    for room in person.rooms:
        await slices.pause()
        if (role := roles.get(room.pk)) is not None:
            read = person.read.get(room.pk, NOTHING_READ if room.pk in person.roles else None)
            peer, muted_until = person.peers.get(room.pk), person.muted.get(room.pk)
            info = _info(room, states.get(room.pk), role, read, peer, epochs, muted_until)
            found.append(info)
    return found


def _info(
    room: Room,
    state: RoomState | None,
    role: str,
    read: Marker | None,
    peer: UserInfo | None,
    epochs: Mapping[int, int],
    muted_until: datetime | None,
) -> RoomInfo:
    """`read` is the person's marker; None for a newcomer, who begins at head."""
    shard = shard_of(room.pk, settings.ENV.shards)
    head = room.stored_seq if state is None else state.head
    n = room.stored_n if state is None else state.n
    marker = Marker(head, n) if read is None else read
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
        read=marker.seq,
        read_n=n if marker.seq >= head else marker.n,
        role=str(role),
        peer=peer,
        slow_mode_seconds=room.slow_mode_seconds,
        muted_until=muted_until,
        set_at_ms=marker.set_at_ms or UNSET,
    )


def _read_stored(wanted: Mapping[int, Iterable[int]], only_these: bool = False) -> _Stored:
    """The stored data of some people's rooms, and of the further rooms `wanted` of each; with
    `only_these`, of the latter alone. A handful of queries, however many people there are."""
    more = {user: set(rooms) for user, rooms in wanted.items()}
    hidden = {} if only_these else _hidden(more)
    memberships = Membership.objects.filter(user_id__in=more)
    if only_these:
        memberships = memberships.filter(room_id__in=set().union(*more.values()))
    roles: dict[int, dict[int, Role]] = {user: {} for user in more}
    mutes: dict[int, dict[int, datetime | None]] = {user: {} for user in more}
    for user, room, role, until in memberships.values_list(
        "user_id", "room_id", "role", "muted_until"
    ):
        if room in more[user] or not (only_these or room in hidden.get(user, ())):
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


def _stored_ids(user_id: int) -> set[int]:
    return set(Membership.objects.filter(user_id=user_id).values_list("room_id", flat=True))


def _hidden(people: Iterable[int]) -> dict[int, set[int]]:
    """For each person the rooms that they see only on demand."""
    numbers = (
        Membership.objects.filter(user_id__in=list(people))
        .values_list("user_id")
        .annotate(number=Count("id"))
        .filter(number__gt=EVERYTHING_UP_TO)
    )
    return {user: _not_shown(user) for user, _ in numbers}


def _not_shown(user_id: int) -> set[int]:
    rows = (
        Membership.objects.filter(user_id=user_id)
        .annotate(used=Coalesce("room__last_stored_at", "room__created_at"))
        .order_by("-used")
        .values_list("room_id", "room__kind", "room__archived_at", "used")
    )
    silent_since = timezone.now() - SILENT_AFTER
    found: set[int] = set()
    directs = 0
    for room, kind, archived_at, used in rows:
        direct = kind == RoomKind.DIRECT
        directs += direct
        too_old = direct and (used < silent_since or directs > MAX_DIRECT)
        if archived_at is not None or too_old:
            found.add(room)
    return found


def _find_further(user_id: int, text: str, offset: int, limit: int) -> list[int]:
    hidden = _hidden([user_id]).get(user_id, set())
    peers = User.objects.filter(
        people_search.named(text), memberships__room_id=OuterRef("pk")
    ).exclude(pk=user_id)
    named = Q(name__icontains=text) | Q(slug=text) | Q(kind=RoomKind.DIRECT) & Exists(peers)
    rooms = Room.objects.filter(pk__in=hidden)
    if text:
        rooms = rooms.filter(named)
    ordered = rooms.order_by(Coalesce("last_stored_at", "created_at").desc(), "-pk")
    return list(ordered.values_list("pk", flat=True)[offset : offset + limit])


def _muted(
    in_room: Mapping[int, Mapping[int, datetime | None]], rooms: Mapping[int, set[int]]
) -> dict[int, dict[int, datetime]]:
    """For each person and room, the later of the room's mute and the general one, if in force."""
    everywhere = dict(
        User.objects.filter(pk__in=rooms, muted_until__isnull=False).values_list(
            "pk", "muted_until"
        )
    )
    now = clocks.LOG.now()
    # People who have come in again but whose entry is not stored yet.
    waiting = {
        (user, room): until
        for user, room, until in AbsentMute.objects.filter(
            user_id__in=rooms, until__gt=now
        ).values_list("user_id", "room_id", "until")
    }
    found: dict[int, dict[int, datetime]] = {}
    for user, ids in rooms.items():
        ends = (
            (room, (in_room[user].get(room), waiting.get((user, room)), everywhere.get(user)))
            for room in ids
        )
        found[user] = {
            room: end
            for room, all_of_them in ends
            if (end := max((at for at in all_of_them if at is not None), default=now)) > now
        }
    return found


def _read_markers(rooms_of_people: Mapping[int, set[int]]) -> dict[int, dict[int, Marker]]:
    # A marker may be at an event that is not stored yet. The last stored event before it then says
    # how many messages were read at least.
    last_read = RoomEvent.objects.filter(room=OuterRef("room"), seq__lte=OuterRef("seq"))
    rooms = set().union(*rooms_of_people.values())
    markers = (
        ReadMarker.objects.filter(user_id__in=rooms_of_people, room_id__in=rooms)
        .annotate(n=Subquery(last_read.order_by("-seq").values("n")[:1]))
        .values_list("user_id", "room_id", "seq", "n", "set_at_ms")
    )
    found: dict[int, dict[int, Marker]] = {user: {} for user in rooms_of_people}
    for user, room, seq, n, set_at_ms in markers:
        if room in rooms_of_people[user]:
            found[user][room] = Marker(seq, n or 0, set_at_ms)
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


def public_rooms(user_id: int, text: str, limit: int, slug: str | None = None) -> list[PublicRoom]:
    """Public rooms in use whose name or topic contains `text`, largest first; with `slug` the room
    with that slug, if the person is not banned there. Uses the ORM.

    `members` and `joined` come from PostgreSQL, so they are a moment old.
    """
    bans = Ban.objects.filter(room_id=OuterRef("pk"), user_id=user_id)
    rooms = (
        Room.objects.filter(kind=RoomKind.PUBLIC, archived_at=None, stored_seq__gt=0)
        .filter(Q(name__icontains=text) | Q(topic__icontains=text))
        .filter(Q() if slug is None else Q(slug=slug) & ~Exists(bans))
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
