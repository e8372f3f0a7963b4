"""What a hub does regularly: check that it missed nothing, and that everybody still belongs here.

Hints may be lost, so everything that matters is looked up as well: rooms and removals from them at
every heartbeat, sessions and entries into rooms at least once a minute. The cost depends on how
much has changed, and the work is done in slices: see docs/decisions/0031.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections import defaultdict
from collections.abc import Collection

from django.conf import settings

from chat.accounts import socket_auth
from chat.errors import ClientError
from chat.hub.core import SLICE, Hub
from chat.hub.members import entered_since
from chat.hub.sockets import HubSocket
from chat.protocol import CloseCode, Heads, encode
from chat.resilience.slices import Slices
from chat.room_log.changes import in_calls
from chat.servers.postgres import in_database

logger = logging.getLogger(__name__)

JITTER = 0.1
# Every second heartbeat, of 25 s at most, so that a minute is never exceeded.
BEATS_PER_CHECK = 2
# How many of the rooms in which nothing has happened since the last heartbeat are told, in turn.
HEADS_IN_TURN = 50
# 20 bytes each.
MAX_HEADS = 500


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
                # The other parts run all the same.
                logger.exception("%s failed", part.__name__)


async def look_at_rooms(hub: Hub) -> None:
    """Fetch events that the hub missed, and put out people who are no longer in a room."""
    for rooms in in_calls(list(hub.feeds)):
        await hub.healer.look_over(rooms)


async def send_heads(hub: Hub) -> None:
    """Tell every connection the heads of its rooms, so that it notices a gap in a quiet room.

    The head is the highest seq known to exist, even when the hub does not have that event yet: it
    is a gap for the client all the same. All rooms that moved since the last heartbeat are told,
    and some of the others in turn.
    """
    slices = Slices()
    moved: defaultdict[HubSocket, list[int]] = defaultdict(list)
    for feed in list(hub.feeds.values()):
        place = (feed.epoch, feed.target)
        if place != feed.told:
            feed.told = place
            for socket in feed.sockets():
                moved[socket].append(feed.room)
        await slices.pause()
    texts: dict[tuple[int, ...], str] = {}  # many have the same rooms
    for index, socket in enumerate(list(hub.sockets)):
        if socket.greeted:
            rooms = list(dict.fromkeys((*moved.get(socket, ()), *_in_turn(socket))))
            # At least one frame, as a sign of life.
            for start in range(0, max(1, len(rooms)), MAX_HEADS):
                part = tuple(rooms[start : start + MAX_HEADS])
                if part not in texts:
                    texts[part] = encode(Heads(rooms=heads_of(hub, part)))
                socket.send_text(texts[part])
        if index % SLICE == SLICE - 1:
            texts.clear()
        await slices.pause()


def _in_turn(socket: HubSocket) -> list[int]:
    """The next of its rooms to be told; all of them for most people."""
    if socket.heads_told >= len(socket.rooms):
        socket.heads_told = 0
    start = socket.heads_told
    socket.heads_told += HEADS_IN_TURN
    return list(itertools.islice(socket.rooms, start, start + HEADS_IN_TURN))


def heads_of(hub: Hub, rooms: Collection[int]) -> dict[str, tuple[int, int]]:
    return {
        str(room): (feed.epoch, feed.target)
        for room in rooms
        if (feed := hub.feeds.get(room)) is not None
    }


async def tell_presence(hub: Hub) -> None:
    """Send the other hubs signs of life."""
    await hub.presence.refresh()


async def check_sessions(hub: Hub) -> None:
    """Close connections of revoked sessions, in case the hint about one was lost."""
    by_identity: defaultdict[socket_auth.Identity, list[HubSocket]] = defaultdict(list)
    for socket in hub.sockets:
        by_identity[socket.identity].append(socket)
    for identity in await socket_auth.revoked_identities(by_identity):
        for socket in by_identity[identity]:
            hub.close(socket, CloseCode.REVOKED)


async def look_for_entries(hub: Hub) -> None:
    """Give people the rooms they entered or were written to in, in case the hint was lost."""
    people = {socket.user_id for socket in hub.sockets if socket.greeted}
    hub.entries_seen_at, entered = await in_database(entered_since, people, hub.entries_seen_at)
    for user_id, room, after in entered:
        if any(room not in socket.rooms for socket in hub.sockets_of(user_id) if socket.greeted):
            await hub.welcome_to(user_id, room, after)


PARTS_OF_EVERY_BEAT = (look_at_rooms, send_heads, tell_presence)
PARTS = (*PARTS_OF_EVERY_BEAT, check_sessions, look_for_entries)
