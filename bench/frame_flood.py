"""How long others wait for their acknowledgements while one person floods the server with frames.

    .venv/bin/python -m bench.frame_flood --server daphne

Starts its own servers and one web process. Four people post to a room, one message at a time, first
undisturbed and then during each flood; between floods the process is left alone for a while. The
flooder, a separate process, has `--sockets` signed-in connections and sends `--rate` bytes/s over
each, as far as the server accepts them. It reads nothing, and reconnects when it is cut off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.chat_client import ORIGIN, ChatClient
from bench.servers import own_servers
from localstack.raw_sockets import (
    CONTINUE,
    PING,
    PONG,
    TEXT,
    RawSocket,
    frame,
    upgrade,
)
from localstack.web_process import web_process

HELLO = frame(b'{"t":"hello","rooms":{}}')
FLOODS = {
    "empty pings": frame(b"", PING),
    "pings of 125 bytes": frame(b"x" * 125, PING),
    "empty pongs": frame(b"", PONG),
    "messages of 255 empty fragments": frame(b"", TEXT, final=False)
    + frame(b"", CONTINUE, final=False) * 253
    + frame(b"{}", CONTINUE),
    "protocol pings": frame(b'{"t":"ping"}'),
}
WRITERS = 4
PAUSE_SECONDS = 0.02
TURNS_A_SECOND = 50


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne")
    parser.add_argument("--sockets", type=int, default=1, help="connections of the flooder (1)")
    parser.add_argument("--rate", type=int, default=1_000_000, help="bytes/s of each (1,000,000)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement (6)")
    parser.add_argument(
        "--flood", nargs=3, metavar=("PORT", "COOKIE", "NAME"), help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.flood:
        port, cookie, name = given.flood
        asyncio.run(flood(int(port), cookie, FLOODS[name], given))
        return
    with (
        tempfile.TemporaryDirectory(prefix="veche-flood-") as folder,
        own_servers(ALLOWED_ORIGINS=ORIGIN),
    ):
        import django

        django.setup()
        asyncio.run(measure(Path(folder), given))


async def flood(port: int, cookie: str, unit: bytes, given: Any) -> None:
    await asyncio.gather(*(flood_one(port, cookie, unit, given) for _ in range(given.sockets)))


async def flood_one(port: int, cookie: str, unit: bytes, given: Any) -> None:
    """Flood over one connection until this process is ended."""
    part = unit * max(1, given.rate // TURNS_A_SECOND // len(unit))
    headers = upgrade(
        (b"Origin", ORIGIN.encode()),
        (b"Sec-WebSocket-Protocol", b"veche.v1"),
        (b"Cookie", cookie.encode()),
    )
    while True:
        raw = await RawSocket.connect(port)
        if await raw.handshake(headers) == 101:
            await raw.send(HELLO)
            while not raw.writer.is_closing():
                try:
                    await raw.send(part)
                except TimeoutError:  # the server accepts nothing more
                    continue
                await asyncio.sleep(1 / TURNS_A_SECOND)
        await raw.close()
        await asyncio.sleep(0.1)


async def measure(folder: Path, given: argparse.Namespace) -> None:
    # Models can be imported only now.
    from asgiref.sync import sync_to_async
    from django.core.management import call_command

    from bench.people import new_person, new_room, session_cookie
    from chat import room_log

    await sync_to_async(call_command)("migrate", verbosity=0)
    people = [await new_person(f"writer-{number}") for number in range(WRITERS)]
    flooder = await new_person("flooder")
    room = await new_room(*people)
    cookie = await session_cookie(flooder)
    settings = {"ASGI_SERVER": given.server, "SENDS_PER_SECOND": "1000", "SENDS_BURST": "1000"}
    with web_process(folder / "web.log", **settings) as server:
        clients = [await ChatClient.hello(server.url, await session_cookie(one)) for one in people]
        await acks(clients, room, 2.0)
        quiet = await acks(clients, room, given.seconds)
        print(f"{given.server}, {given.sockets} flooding sockets, {given.rate:,} bytes/s each")
        say("in peace", quiet, quiet, server.resident_bytes())
        for name in FLOODS:
            arguments = [str(server.port), cookie, name]
            flooding = await asyncio.create_subprocess_exec(
                *[
                    *(sys.executable, "-m", "bench.frame_flood", "--flood", *arguments),
                    *("--sockets", str(given.sockets), "--rate", str(given.rate)),
                ],
                env=os.environ,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                await acks(clients, room, 2.0)  # until the flooder has connected
                during = await acks(clients, room, given.seconds)
            finally:
                flooding.kill()
                await flooding.wait()
            say(name, during, quiet, server.resident_bytes())
            await acks(clients, room, 3.0)  # until the flooder's effects are gone
        for client in clients:
            await client.connection.close()
    await room_log.close()


async def acks(clients: list[ChatClient], room: int, seconds: float) -> list[float]:
    """Seconds from sending to `ok`."""
    end = time.monotonic() + seconds
    taken: list[float] = []

    async def write(client: ChatClient) -> None:
        from bench.people import new_key

        while time.monotonic() < end:
            began = time.monotonic()
            key = new_key()
            text = {"t": "send", "id": key, "room": room, "key": key, "body": "Good day"}
            await client.connection.send(json.dumps(text))
            async with asyncio.timeout(60):
                while (await client.next_frame()).get("id") != key:
                    pass
            taken.append(time.monotonic() - began)
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(write(client) for client in clients))
    return taken


def say(what: str, taken: list[float], quiet: list[float], resident_bytes: int) -> None:
    median, longest = statistics.median(taken), max(taken)
    late = statistics.quantiles(taken, n=20)[18] if len(taken) > 1 else longest
    print(
        f"  {what:32} median {median * 1000:7.1f} ms ({median / statistics.median(quiet):5.1f}×), "
        f"95 % {late * 1000:7.1f} ms, longest {longest * 1000:7.1f} ms, {len(taken):5} messages, "
        f"process {resident_bytes / 2**20:4.0f} MiB",
        flush=True,
    )


if __name__ == "__main__":
    main()
