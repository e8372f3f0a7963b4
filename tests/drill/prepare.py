"""`python -m tests.drill.prepare CLIENTS ROOMS`: people and rooms for a drill, as JSON.

A separate process, because it needs Django and the rest of the drill must not: the judge shares no
code with the judged. Rooms are made the way people make them, through the log.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

import django

STORED_SECONDS = 90.0


def main(clients: int, rooms: int) -> None:
    django.setup()
    made = asyncio.run(make(clients, rooms))
    sys.stdout.write(json.dumps(made))


async def make(clients: int, rooms: int) -> dict[str, Any]:
    """Make people, each with a token and a session, and rooms, with each person in about half."""
    from asgiref.sync import sync_to_async

    from chat import room_log
    from chat.actions import rooms as actions
    from chat.events import RoomKind

    people = await sync_to_async(make_people)(clients)
    made = []
    memberships = 0
    for number in range(rooms):
        members = [
            one for index, one in enumerate(people) if (index + number) % 2 or index % 5 == 0
        ]
        owner = members[0]["id"]
        kind = RoomKind.PRIVATE if number % 2 else RoomKind.PUBLIC
        room = await actions.create_room(owner, f"Drill {number}", kind)
        for one in members[1:]:
            await actions.invite(owner, room.pk, one["id"])
        memberships += len(members)
        made.append({"id": room.pk, "members": [one["id"] for one in members]})
    await room_log.close()
    await sync_to_async(wait_until_stored)(memberships)
    return {"people": people, "rooms": made}


def make_people(count: int) -> list[dict[str, Any]]:
    from django.conf import settings
    from django.test import Client

    from chat.accounts import tokens
    from chat.models import User

    people = []
    for number in range(count):
        user = User.objects.create_user(f"drill-{number}")
        _, token = tokens.issue(user.pk, "drill")
        browser = Client()
        browser.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        cookie = f"{name}={browser.cookies[name].value}"
        people.append({"id": user.pk, "token": token, "cookie": cookie})
    return people


def wait_until_stored(memberships: int) -> None:
    """Wait, because `hello` reads memberships from PostgreSQL."""
    from chat.models import Membership

    deadline = time.monotonic() + STORED_SECONDS
    while Membership.objects.count() < memberships:
        if time.monotonic() > deadline:
            sys.exit("The workers do not store the drill's rooms.")
        time.sleep(0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
