"""Rooms as one person sees them, in `welcome` and over REST."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.conf import settings
from django.db.models import Count, OuterRef, Q, Subquery
from django.utils import timezone

from chat import people, recent_rooms, room_log
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


@dataclass(frozen=True)
class _Stored:
    """What PostgreSQL knows of some rooms and one person."""

    rooms: list[Room]
    roles: dict[int, Role]
    muted: dict[int, datetime]  # until when the person may not write, there or anywhere
    read: dict[int, tuple[int, int]]  # room → (seq, n) of the person's marker
    peers: dict[int, UserInfo]  # direct room → the other one
    epochs: dict[int, int]  # shard → epoch


async def rooms_of(user_id: int) -> list[RoomInfo]:
    """Every room the person is in, by name; archived ones too.

    Raises: Unavailable when the log or PostgreSQL is away.
    """
    recent = await recent_rooms.entered(user_id)
    stored = await in_database(_read_stored, user_id, recent)
    return await _combine(user_id, stored)


async def room_for(user_id: int, room_id: int) -> RoomInfo | None:
    """One room the person is in, as in `rooms_of`; None when they are not in it."""
    stored = await in_database(_read_stored, user_id, [room_id], True)
    return next(iter(await _combine(user_id, stored)), None)


async def seen_from_outside(room: Room) -> RoomInfo:
    """A public room as somebody sees it who has not joined: `role` is empty."""
    states = await room_log.room_states([room.pk])
    epochs = await in_database(_epochs)
    return _info(room, states.get(room.pk), "", None, None, epochs, None)


async def _combine(user_id: int, stored: _Stored) -> list[RoomInfo]:
    ids = [room.pk for room in stored.rooms]
    states = await room_log.room_states(ids)
    # The log decides where it holds the room; where it does not, nothing is left to store and
    # PostgreSQL's copy is exact.
    logged = await room_log.roles(user_id, ids)
    roles: Mapping[int, Role | None] = {**stored.roles, **logged}
    return [
        _info(
            room,
            states.get(room.pk),
            role,
            stored.read.get(room.pk, NOTHING_READ if room.pk in stored.roles else None),
            stored.peers.get(room.pk),
            stored.epochs,
            stored.muted.get(room.pk),
        )
        for room in stored.rooms
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


def _read_stored(user_id: int, more_rooms: Iterable[int], only_these: bool = False) -> _Stored:
    memberships = Membership.objects.filter(user_id=user_id)
    if only_these:
        memberships = memberships.filter(room_id__in=list(more_rooms))
    rows = list(memberships.values_list("room_id", "role", "muted_until"))
    roles = {room: Role(role) for room, role, _ in rows}
    rooms = list(Room.objects.filter(pk__in={*roles, *more_rooms}).order_by("name", "pk"))
    mutes: dict[int, datetime | None] = dict.fromkeys(room.pk for room in rooms)
    mutes |= {room: until for room, _, until in rows}
    return _Stored(
        rooms=rooms,
        roles=roles,
        muted=_muted(user_id, mutes),
        read=_read_markers(user_id, [room.pk for room in rooms]),
        peers=_peers(user_id, rooms),
        epochs=_epochs(),
    )


def _muted(user_id: int, in_room: Mapping[int, datetime | None]) -> dict[int, datetime]:
    """The later of the mute in a room and everywhere, where one is in force."""
    everywhere = User.objects.values_list("muted_until", flat=True).filter(pk=user_id).first()
    now = timezone.now()
    ends = {
        room: max((at for at in (until, everywhere) if at is not None), default=now)
        for room, until in in_room.items()
    }
    return {room: end for room, end in ends.items() if end > now}


def _read_markers(user_id: int, rooms: list[int]) -> dict[int, tuple[int, int]]:
    # A marker may stand on an event that is not stored yet; the last stored one before it then
    # says how many messages were read at least.
    last_read = RoomEvent.objects.filter(room=OuterRef("room"), seq__lte=OuterRef("seq"))
    markers = (
        ReadMarker.objects.filter(user_id=user_id, room_id__in=rooms)
        .annotate(n=Subquery(last_read.order_by("-seq").values("n")[:1]))
        .values_list("room_id", "seq", "n")
    )
    return {room: (seq, n or 0) for room, seq, n in markers}


def _peers(user_id: int, rooms: list[Room]) -> dict[int, UserInfo]:
    others = {}
    for room in rooms:
        if room.direct_key is not None:
            low, high = map(int, room.direct_key.split(":"))
            others[room.pk] = high if low == user_id else low
    found = people.by_ids(set(others.values()))
    return {room: found[other] for room, other in others.items() if other in found}


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
