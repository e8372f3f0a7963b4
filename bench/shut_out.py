"""Seconds until shutting a person out takes effect: with the bus, and while the bus is down.

Starts its own servers and one web process with the default settings, connects people, and
deactivates each of them, or bans them from a room, from another process, as the admin does.
Deactivated: until their socket is closed with 4403. Banned: until their own page has been told.

    .venv/bin/python -m bench.shut_out --times 20
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.chat_client import ORIGIN, ChatClient
from bench.servers import own_servers
from localstack.web_process import web_process

# Twice the longest heartbeat, after which sessions and memberships are checked, and a reserve.
LONGEST_SECONDS = 90.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="people for each figure (20)")
    times = parser.parse_args().times
    with own_servers(durable=False, ALLOWED_ORIGINS=ORIGIN) as servers:
        import django

        django.setup()
        asyncio.run(measure(servers.running["bus"], times))


async def measure(bus: subprocess.Popen[bytes], times: int) -> None:
    # Models can be imported only now.
    from asgiref.sync import sync_to_async
    from django.core.management import call_command

    from chat import room_log

    await sync_to_async(call_command)("migrate", verbosity=0)
    with (
        tempfile.TemporaryDirectory(prefix="veche-shut-out-") as folder,
        web_process(Path(folder) / "web.log") as server,
    ):
        for state in ("up", "down"):
            deactivated = await people_of(times)
            banned = await people_of(times)
            clients = await asyncio.gather(
                *(connect(server.url, one) for one in deactivated + banned)
            )
            if state == "down":
                bus.kill()
                bus.wait()
            print(f"bus {state}:")
            say("deactivated → 4403", await shut_out(deactivated, clients[:times], "deactivate"))
            say("banned → told     ", await shut_out(banned, clients[times:], "ban"))
            for client in clients:
                await client.connection.close()
        await room_log.close()


async def people_of(times: int) -> list[tuple[Any, int]]:
    """People, each of them a member of a separate room."""
    from bench.people import new_key, new_person, new_room

    owner = await new_person(f"owner-{new_key()}")
    made = []
    for _ in range(times):
        person = await new_person(f"person-{new_key()}")
        made.append((person, await new_room(owner, person)))
    return made


async def connect(url: str, one: tuple[Any, int]) -> ChatClient:
    from bench.people import session_cookie

    return await ChatClient.hello(url, await session_cookie(one[0]))


async def shut_out(people_and_rooms: list[Any], clients: list[ChatClient], how: str) -> list[float]:
    """Seconds for each person, from the call to its effect on their connection."""
    from bench.people import new_key
    from chat.actions import moderation, people
    from chat.actions.recorded_act import Options
    from chat.audit.entries import Actor, Channel
    from chat.models import User

    chief = await User.objects.acreate(
        username=f"chief-{new_key()}", password="!", is_staff=True, is_superuser=True
    )
    by = Actor(user_id=chief.pk, name=chief.username, channel=Channel.ADMIN, staff=True)
    why = Options(reason="Measured")

    async def one(person: Any, room: int, client: ChatClient) -> float:
        began = time.monotonic()
        if how == "deactivate":
            shown = asyncio.create_task(closed(client))
            await people.deactivate_person(by, person.pk, why)
        else:
            shown = asyncio.create_task(removed(client, room))
            await moderation.ban_member(by, room, person.pk, why)
        async with asyncio.timeout(LONGEST_SECONDS):
            await shown
        return time.monotonic() - began

    return await asyncio.gather(
        *(
            one(person, room, client)
            for (person, room), client in zip(people_and_rooms, clients, strict=True)
        )
    )


async def closed(client: ChatClient) -> None:
    from websockets.exceptions import ConnectionClosed

    code = None
    while code is None:
        try:
            await client.connection.recv()
        except ConnectionClosed as end:
            code = 1006 if end.rcvd is None else end.rcvd.code
    assert code == 4403, code


async def removed(client: ChatClient, room: int) -> None:
    while not any(event["type"] == "member.removed" for event in client.events.get(room, ())):
        await client.next_frame()


def say(what: str, seconds: list[float]) -> None:
    print(
        f"  {what}: median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s,"
        f" {len(seconds)} people"
    )


if __name__ == "__main__":
    main()
