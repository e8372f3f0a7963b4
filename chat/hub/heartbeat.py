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
from chat.errors import ClientError, Unavailable
from chat.hub.core import SLICE, Hub
from chat.hub.sockets import HubSocket
from chat.models import Membership
from chat.protocol import CloseCode, Heads, encode

logger = logging.getLogger(__name__)

JITTER = 0.1
# Every second heartbeat, of 25 s at most, so that a minute is never exceeded.
BEATS_PER_CHECK = 2
# Whose rooms the log is asked for together: one round trip, and an answer that is soon read.
PEOPLE_AT_A_TIME = 100


async def run(hub: Hub) -> None:
    """Beat for as long as the hub lives."""
    for beats in itertools.count(1):
        await asyncio.sleep(settings.ENV.heartbeat_seconds * random.uniform(1 - JITTER, 1 + JITTER))
        for part in PARTS if beats % BEATS_PER_CHECK == 0 else PARTS_OF_EVERY_BEAT:
            try:
                await part(hub)
            except ClientError as error:
                logger.warning("%s: %s", part.__name__, error.code)
            except Exception:
                # The others are done all the same.
                logger.exception("%s failed", part.__name__)


async def look_at_heads(hub: Hub) -> None:
    """Missing events to the hub."""
    await hub.healer.look_at(list(hub.feeds))


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


async def tell_presence(hub: Hub) -> None:
    """Signs of life to the other hubs."""
    await hub.presence.refresh()


async def check_sessions(hub: Hub) -> None:
    """Close what was revoked, for when the hint about it was lost."""
    by_identity: defaultdict[socket_auth.Identity, list[HubSocket]] = defaultdict(list)
    for socket in hub.sockets:
        by_identity[socket.identity].append(socket)
    for identity in await socket_auth.those_who_may_not_stay(by_identity):
        for socket in by_identity[identity]:
            hub.close(socket, CloseCode.REVOKED)


async def check_memberships(hub: Hub) -> None:
    """Take away and give rooms, for when the hints about it were lost."""
    rooms_here: defaultdict[int, set[int]] = defaultdict(set)
    for socket in hub.sockets:
        if socket.greeted:
            rooms_here[socket.user_id] |= socket.rooms.keys()
    members = await memberships(rooms_here)
    for user_id, here in rooms_here.items():
        for room in here - members[user_id]:
            hub.spawn(put_out(hub, user_id, room), "put out")
    for user_id, here in rooms_here.items():
        for room in members[user_id] - here:
            await hub.welcome_to(user_id, room)


PARTS_OF_EVERY_BEAT = (look_at_heads, send_heads, tell_presence)
PARTS = (*PARTS_OF_EVERY_BEAT, check_sessions, check_memberships)


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

    Raises: Unavailable when the log is away.
    """
    try:
        stored = await in_database(stored_memberships, list(supposed))
    except Unavailable:
        # Nobody comes or goes there meanwhile, so what is supposed still holds.
        stored = {user_id: set(here) for user_id, here in supposed.items()}
    found: dict[int, set[int]] = {}
    everybody = list(supposed)
    for first in range(0, len(everybody), PEOPLE_AT_A_TIME):
        people = everybody[first : first + PEOPLE_AT_A_TIME]
        looked_at = {one: sorted(stored.get(one, set()).union(supposed[one])) for one in people}
        _, roles = await room_log.states_and_roles(looked_at)
        for user_id in people:
            logged = roles.get(user_id, {})
            # The log decides where it holds the room; PostgreSQL may lag behind it.
            unloaded = stored.get(user_id, set()) - logged.keys()
            found[user_id] = unloaded | {room for room, role in logged.items() if role is not None}
    return found


def stored_memberships(users: Collection[int]) -> dict[int, set[int]]:
    """The rooms of each person as PostgreSQL has them. Uses the ORM."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    memberships = Membership.objects.filter(user_id__in=users)
    for user_id, room in memberships.values_list("user_id", "room_id"):
        found[user_id].add(room)
    return found
