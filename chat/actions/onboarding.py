"""What happens when somebody signs up: they land in #general."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from asgiref.sync import async_to_sync

from chat import room_log
from chat.actions import room_limit, rooms
from chat.errors import ClientError
from chat.events import EventType, MemberJoined
from chat.models import User
from chat.persistence import stored_events
from chat.room_log import NewEvent
from chat.room_log.appender import Unchanged
from chat.servers.postgres import in_database

logger = logging.getLogger(__name__)


async def land_in_general(user_id: int) -> int:
    """Brings a new person into #general, once; returns the room's id.

    The key is derived from the person, so this can be called at sign-up and again whenever somebody
    without a room connects: people who left or were removed are not brought back. A person who is
    in as many rooms as allowed, all of them archived, stays out.

    Raises: Unavailable when the log or PostgreSQL is down; the next connection tries again.
    """
    general = await rooms.ensure_general()
    user = await in_database(User.objects.get, pk=user_id)
    key = str(landing_key(user))
    if await in_database(stored_events.find_by_key, user_id, key) is not None:
        return general.pk
    event = NewEvent(
        room=general.pk,
        type=EventType.MEMBER_JOINED,
        data=MemberJoined(user=user_id),
        actor=user_id,
        key=key,
    )
    try:
        async with room_limit.seat(user_id, general.pk):
            await _enter(event, user_id)
    except ClientError as refused:
        if refused.code != "too_many":
            raise
    return general.pk


async def _enter(event: NewEvent, user_id: int) -> None:
    try:
        appended = await room_log.append(event)
    except Unchanged:
        return
    if not appended.repeat:
        await rooms.announce_entry(user_id, event.room)


def landing_key(user: User) -> uuid.UUID:
    """The idempotency key of a person's entry into #general, dated at their sign-up."""
    joined_ms = int(user.date_joined.timestamp() * 1000)
    return rooms.derived_key(uuid.UUID(int=joined_ms << 80), f"general {user.pk}")


def on_sign_up(user: User, **kwargs: Any) -> None:
    """Receiver of allauth's `user_signed_up`: the account stays, even if landing fails."""
    try:
        async_to_sync(land_in_general)(user.pk)
    except ClientError:
        logger.warning("User %s will enter #general on their first connection", user.pk)
