"""What a hub does regularly: see that it missed nothing, and that everybody still belongs here.

Hints may be lost, so everything that matters is looked up as well: heads at every heartbeat,
sessions and memberships at least once a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections import defaultdict
from collections.abc import Collection, Mapping

from django.conf import settings

from chat import room_log, socket_auth
from chat.database import in_database
from chat.errors import ClientError
from chat.hub.core import SLICE, Hub
from chat.hub.sockets import HubSocket
from chat.models import Membership
from chat.protocol import CloseCode, Heads, encode

logger = logging.getLogger(__name__)

JITTER = 0.1
# Every second heartbeat, of 25 s at most, so that a minute is never exceeded.
BEATS_PER_CHECK = 2


async def run(hub: Hub) -> None:
    """Beat for as long as the hub lives."""
    for beats in itertools.count(1):
        await asyncio.sleep(settings.ENV.heartbeat_seconds * random.uniform(1 - JITTER, 1 + JITTER))
        try:
            await beat(hub)
            if beats % BEATS_PER_CHECK == 0:
                await check_people(hub)
        except Exception:
            logger.exception("a heartbeat failed")


async def beat(hub: Hub) -> None:
    """Heads to everybody, missing events to the hub, signs of life to the others."""
    try:
        await hub.healer.look_at(list(hub.feeds))
    except ClientError:
        logger.warning("the log does not answer; clients get the heads of the last time")
    await send_heads(hub)
    await hub.presence.refresh()


async def send_heads(hub: Hub) -> None:
    """Tell every connection where its rooms are, so that it notices a gap in a quiet room.

    What the hub knows to exist counts, also when it has not got it yet: for that it is a gap.
    """
    texts: dict[frozenset[int], str] = {}  # many have the same rooms
    for index, socket in enumerate(list(hub.sockets)):
        if socket.greeted:
            rooms = frozenset(socket.rooms)
            if rooms not in texts:
                texts[rooms] = encode(Heads(rooms=heads_of(hub, rooms)))
            socket.send_text(texts[rooms])
        if index % SLICE == SLICE - 1:
            texts.clear()
            await asyncio.sleep(0)


def heads_of(hub: Hub, rooms: Collection[int]) -> dict[str, tuple[int, int]]:
    return {
        str(room): (feed.epoch, feed.target)
        for room in rooms
        if (feed := hub.feeds.get(room)) is not None
    }


async def check_people(hub: Hub) -> None:
    """Close what was revoked, take away and give rooms: for when the hints about it were lost."""
    try:
        await check_sessions(hub)
        await check_memberships(hub)
    except ClientError:
        logger.warning("sessions and memberships cannot be checked at the moment")


async def check_sessions(hub: Hub) -> None:
    by_identity: defaultdict[socket_auth.Identity, list[HubSocket]] = defaultdict(list)
    for socket in hub.sockets:
        by_identity[socket.identity].append(socket)
    for identity in await socket_auth.those_who_may_not_stay(by_identity):
        for socket in by_identity[identity]:
            hub.close(socket, CloseCode.REVOKED)


async def check_memberships(hub: Hub) -> None:
    rooms_here: defaultdict[int, set[int]] = defaultdict(set)
    for socket in hub.sockets:
        if socket.greeted:
            rooms_here[socket.user_id] |= socket.rooms
    members = await memberships(rooms_here)
    for user_id, here in rooms_here.items():
        for room in here - members[user_id]:
            hub.spawn(put_out(hub, user_id, room), "put out")
        for room in members[user_id] - here:
            await hub.welcome_to(user_id, room)


async def put_out(hub: Hub, user_id: int, room: int) -> None:
    """Take the room away from somebody who is not in it any more, though no hint has said so.

    They get the events up to that first, so that they learn what has happened.

    Raises: Unavailable.
    """
    with contextlib.suppress(ClientError, TimeoutError):
        await hub.healer.bring_up(room)
    if room not in (await memberships({user_id: {room}}))[user_id]:
        hub.expel(user_id, room)


async def memberships(supposed: Mapping[int, Collection[int]]) -> dict[int, set[int]]:
    """The rooms of each person, those that they are supposed to be in looked at as well.

    Raises: Unavailable.
    """
    stored = await in_database(stored_memberships, list(supposed))
    found: dict[int, set[int]] = {}
    for user_id, here in supposed.items():
        logged = await room_log.roles(user_id, sorted(stored[user_id].union(here)))
        # The log decides where it holds the room; PostgreSQL may lag behind it.
        unloaded = stored[user_id] - logged.keys()
        found[user_id] = unloaded | {room for room, role in logged.items() if role is not None}
    return found


def stored_memberships(users: Collection[int]) -> defaultdict[int, set[int]]:
    """The rooms of each person as PostgreSQL has them. Uses the ORM."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    memberships = Membership.objects.filter(user_id__in=users)
    for user_id, room in memberships.values_list("user_id", "room_id"):
        found[user_id].add(room)
    return found
