"""`python -m tests.support.make_world`: makes the content of a `stoppable_world`; prints JSON.

A separate process, because Django in the test process is connected to the servers that all tests
share.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

import django

# More stored events than the hot tail keeps, so that the first ones are in PostgreSQL only.
MESSAGES = 400


def main() -> None:
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from chat.events import shard_of
    from chat.persistence import drain

    call_command("migrate", interactive=False, verbosity=0)
    people = make_people()
    room, head = asyncio.run(make_room(people))
    drain.drain(shard_of(room, settings.ENV.shards))
    sys.stdout.write(json.dumps({"people": people, "room": room, "head": head}) + "\n")


def make_people() -> list[dict[str, Any]]:
    from chat.models import User
    from tests.support.web_process import session_cookie

    made = [User.objects.create_user(name) for name in ("anna", "boris", "clara")]
    return [{"id": user.pk, "cookie": session_cookie(user)} for user in made]


async def make_room(people: list[dict[str, Any]]) -> tuple[int, int]:
    from chat import room_log
    from chat.models import User
    from tests.support.rooms import new_room, post

    owner, *others = [await User.objects.aget(pk=one["id"]) for one in people]
    room = await new_room(owner, *others)
    posts = [post(room, owner, f"message {number}") for number in range(MESSAGES)]
    placed = await asyncio.gather(*posts)
    await room_log.close()
    return room.pk, placed[-1].event.seq


if __name__ == "__main__":
    main()
