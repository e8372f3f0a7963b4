"""People and rooms for measurements, made through the log like everybody's.

Import it only after Django is set up.
"""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import Client
from uuid_utils.compat import uuid7

from chat.actions import rooms
from chat.events import RoomKind
from chat.models import User


def new_key() -> str:
    return str(uuid7())


async def new_person(username: str) -> User:
    return await sync_to_async(User.objects.create_user)(username)


async def new_room(owner: User, *members: User) -> int:
    """Make a private room; returns its id."""
    room = await rooms.create_room(owner.pk, "Room", RoomKind.PRIVATE)
    for member in members:
        await rooms.invite(owner.pk, room.pk, member.pk)
    return room.pk


async def session_cookie(user: User) -> str:
    """The Cookie header of a signed-in person."""

    def sign_in() -> str:
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        return f"{name}={client.cookies[name].value}"

    return await sync_to_async(sign_in)()
