"""`python -m tests.drill.cluster.prepare PEOPLE ROOMS EACH [ROOM:OWNER ...]`: people in rooms.

Prints JSON. Each person has a session and is in EACH of the rooms: ROOMS new ones and those named.
A separate process, because it needs Django. People and sessions are inserted in bulk; memberships
go through the log, as everywhere, but without a query to PostgreSQL for each.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

import django

AT_A_TIME = 500


def main(people: int, rooms: int, each: int, *named: str) -> None:
    django.setup()
    sys.stdout.write(json.dumps(asyncio.run(make(people, rooms, each, named))))


async def make(count: int, rooms: int, each: int, named: Sequence[str]) -> dict[str, Any]:
    from asgiref.sync import sync_to_async
    from uuid_utils.compat import uuid7

    from chat import room_log
    from chat.actions import rooms as actions
    from chat.events import EventType, MemberJoined, RoomKind
    from chat.room_log import NewEvent
    from tests.drill.prepare import wait_until_stored

    people = await sync_to_async(make_people)(count)
    members: list[list[int]] = [[] for _ in range(rooms + len(named))]
    for index, person in enumerate(people):
        for step in range(each):
            members[(index + step) % len(members)].append(person["id"])
    limit = asyncio.Semaphore(AT_A_TIME)

    async def let_in(owner: int, room: int, person: int) -> None:
        async with limit:
            await room_log.append(
                NewEvent(
                    room=room,
                    type=EventType.MEMBER_JOINED,
                    data=MemberJoined(user=person),
                    actor=owner,
                    key=str(uuid7()),
                )
            )

    before = await sync_to_async(memberships)()
    owned = [tuple(map(int, one.split(":"))) for one in named]
    for number in range(rooms):
        owner = members[len(named) + number][0]
        room = await actions.create_room(owner, f"Cluster {number}", RoomKind.PRIVATE)
        owned.append((room.pk, owner))
    for (room_id, owner), ids in zip(owned, members, strict=True):
        await asyncio.gather(*(let_in(owner, room_id, one) for one in ids if one != owner))
    await room_log.close()
    await sync_to_async(wait_until_stored)(before + sum(map(len, members)))
    return {"people": people, "rooms": [room for room, _ in owned]}


def memberships() -> int:
    from chat.models import Membership

    return Membership.objects.count()


def make_people(count: int) -> list[dict[str, Any]]:
    from datetime import timedelta

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.hashers import make_password
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    from chat.models import User

    users = User.objects.bulk_create(
        User(username=f"cluster-{number}", password=make_password(None)) for number in range(count)
    )
    store: Any = SessionStore()
    until = timezone.now() + timedelta(days=1)
    sessions = [
        Session(
            session_key=store._get_new_session_key(),
            session_data=store.encode(
                {
                    SESSION_KEY: str(user.pk),
                    BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
                    HASH_SESSION_KEY: user.get_session_auth_hash(),
                }
            ),
            expire_date=until,
        )
        for user in users
    ]
    Session.objects.bulk_create(sessions)
    name = settings.SESSION_COOKIE_NAME
    return [
        {"id": user.pk, "cookie": f"{name}={session.session_key}"}
        for user, session in zip(users, sessions, strict=True)
    ]


if __name__ == "__main__":
    people_wanted, rooms_wanted, rooms_each = map(int, sys.argv[1:4])
    main(people_wanted, rooms_wanted, rooms_each, *sys.argv[4:])
