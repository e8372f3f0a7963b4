"""How long others wait for a page of history over REST while one person requests all they can.

    .venv/bin/python -m bench.read_flood

Starts its own servers and one web process. Four people read their room's history over REST, first
undisturbed and then during each flood. The flooder, a separate process, has `--sockets` connections
of one person and keeps `--in-flight` requests under way on each. It asks again as soon as it is
answered, waits when it is told to, and reconnects when it is cut off.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.chat_client import ORIGIN, open_socket
from bench.servers import own_servers
from localstack.web_process import web_process

FLOODS = {
    "history of 1": {"t": "history", "before": 1_000_000, "limit": 1},
    "history of 100": {"t": "history", "before": 1_000_000, "limit": 100},
    "sync of 500": {"t": "sync", "after": 0, "limit": 500},
    "REST history of 1": None,
}
READERS = 4
MESSAGES = 600
PAUSE_SECONDS = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne")
    parser.add_argument("--sockets", type=int, default=10, help="connections of the flooder (10)")
    parser.add_argument("--in-flight", type=int, default=8, help="requests on each (8)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement (8)")
    parser.add_argument(
        "--settle", type=float, default=15.0, help="seconds of flood before each measurement (15)"
    )
    parser.add_argument("--only", choices=FLOODS, help="this flood alone")
    parser.add_argument("--flood", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.flood:
        port, cookie, token, room, name = given.flood
        asyncio.run(flood(port, cookie, token, room, name, given))
        return
    with (
        tempfile.TemporaryDirectory(prefix="veche-reads-") as folder,
        own_servers(ALLOWED_ORIGINS=ORIGIN),
    ):
        import django

        django.setup()
        asyncio.run(measure(Path(folder), given))


async def flood(port: str, cookie: str, token: str, room: str, name: str, given: Any) -> None:
    """Flood the server until this process is ended."""
    frame = FLOODS[name]
    if frame is None:
        path = f"/api/v1/rooms/{room}/messages?limit=1"
        await asyncio.gather(
            *(asyncio.to_thread(ask_on, int(port), path, token) for _ in range(given.sockets))
        )
    else:
        text = json.dumps({**frame, "room": int(room), "id": "x"})
        await asyncio.gather(
            *(flood_one(port, cookie, text, given.in_flight) for _ in range(given.sockets))
        )


def ask_on(port: int, path: str, token: str) -> None:
    while True:
        try:
            rest(http.client.HTTPConnection("127.0.0.1", port, timeout=30), path, token)
        except OSError:
            time.sleep(0.1)


async def flood_one(port: str, cookie: str, text: str, in_flight: int) -> None:
    from websockets.exceptions import ConnectionClosed

    while True:
        try:
            async with await open_socket(f"ws://127.0.0.1:{port}/ws/chat/", cookie) as socket:
                await socket.send('{"t":"hello","rooms":{}}')
                for _ in range(in_flight):
                    await socket.send(text)
                async for answer in socket:
                    start = str(answer[:12])
                    if start.startswith('{"t":"error"'):
                        await asyncio.sleep(json.loads(answer)["retry_after"])
                        await socket.send(text)
                    elif start.startswith(('{"t":"page"', '{"t":"batch"')):
                        await socket.send(text)
        except (ConnectionClosed, OSError):
            await asyncio.sleep(0.1)


async def measure(folder: Path, given: argparse.Namespace) -> None:
    # Models can be imported only now.
    from asgiref.sync import sync_to_async
    from django.conf import settings
    from django.core.management import call_command

    from bench.people import new_key, new_person, new_room, session_cookie
    from chat import room_log
    from chat.accounts import tokens
    from chat.actions import messages
    from chat.events import shard_of
    from chat.persistence import drain

    await sync_to_async(call_command)("migrate", verbosity=0)
    people = [await new_person(f"reader-{number}") for number in range(READERS)]
    flooder = await new_person("flooder")
    rooms = []
    for owner in (people[0], flooder):
        room = await new_room(owner, *(people[1:] if owner is people[0] else ()))
        for _ in range(MESSAGES):
            text = "Good day. " * random.randrange(1, 20)
            await messages.post_message(owner.pk, room, new_key(), text)
        await sync_to_async(drain.drain)(shard_of(room, settings.ENV.shards))
        rooms.append(room)
    issued = [(await sync_to_async(tokens.issue)(one.pk, "bench"))[1] for one in people]
    cookie = await session_cookie(flooder)
    flooders_token = (await sync_to_async(tokens.issue)(flooder.pk, "bench"))[1]
    path = f"/api/v1/rooms/{rooms[0]}/messages?limit=50"
    with web_process(folder / "web.log", ASGI_SERVER=given.server) as server:
        await pages(server.port, path, issued, 2.0)
        quiet = await pages(server.port, path, issued, given.seconds)
        print(f"{given.server}, one person with {given.sockets} connections")
        say("in peace", quiet, quiet)
        for name in [given.only] if given.only else FLOODS:
            arguments = [str(server.port), cookie, flooders_token, str(rooms[1]), name]
            flooding = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.read_flood", "--flood", *arguments),
                *("--sockets", str(given.sockets), "--in-flight", str(given.in_flight)),
                env=os.environ,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                # Until the flooder has connected and used up its burst.
                await pages(server.port, path, issued, given.settle)
                during = await pages(server.port, path, issued, given.seconds)
            finally:
                flooding.kill()
                await flooding.wait()
            say(name, during, quiet)
            await asyncio.sleep(5.0)  # until its budget is full again
    await room_log.close()


async def pages(port: int, path: str, issued: list[str], seconds: float) -> list[float]:
    """Seconds for each page that was read."""
    end = time.monotonic() + seconds

    def read_on(token: str) -> list[float]:
        taken = []
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            began = time.monotonic()
            status = rest(connection, path, token)
            assert status == 200, status
            taken.append(time.monotonic() - began)
            time.sleep(PAUSE_SECONDS * random.uniform(2, 4))
        connection.close()
        return taken

    each = await asyncio.gather(*(asyncio.to_thread(read_on, token) for token in issued))
    return [one for of_reader in each for one in of_reader]


def rest(connection: http.client.HTTPConnection, path: str, token: str) -> int:
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def say(what: str, taken: list[float], quiet: list[float]) -> None:
    median, longest = statistics.median(taken), max(taken)
    print(
        f"  {what:20} median {median * 1000:7.1f} ms ({median / statistics.median(quiet):5.1f}×), "
        f"longest {longest * 1000:7.1f} ms, {len(taken):4} pages",
        flush=True,
    )


if __name__ == "__main__":
    main()
