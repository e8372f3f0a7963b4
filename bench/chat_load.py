"""Senders and readers on a running stack: acknowledged messages/s and how long each step takes.

    .venv/bin/python -m bench.chat_load --senders 50 --rooms 10 --seconds 20 --in-flight 4

Uses the stack that `make run` started (start it with SENDS_PER_SECOND=10000 SENDS_BURST=10000, or
the rate limit will be measured). Each sender is a member of one room and keeps `--in-flight`
messages under way; with `--rate`, that many messages a second are sent in total instead. Everybody
in a room receives its messages, so deliveries/s is messages/s times the people in a room.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from dataclasses import dataclass, field
from urllib.request import Request, urlopen

import django

django.setup()

from asgiref.sync import sync_to_async  # noqa: E402 - Django first
from django.conf import settings  # noqa: E402
from uuid_utils.compat import uuid7  # noqa: E402
from websockets.asyncio.client import ClientConnection, connect  # noqa: E402

from chat import room_log  # noqa: E402
from chat.accounts import tokens  # noqa: E402
from chat.actions import rooms as room_actions  # noqa: E402
from chat.events import RoomKind  # noqa: E402
from chat.models import User  # noqa: E402

BODY = "The quick brown fox jumps over the lazy dog, and nobody has lost a word of it. "


@dataclass
class Measured:
    """Seconds from sending to each step, over all messages of the run."""

    acknowledged: list[float] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)


class Sender:
    """A person with one WebSocket."""

    def __init__(self, user: User, token: str, room: int, run: Run) -> None:
        self.user, self.token, self.room, self.run = user, token, room, run
        self.free = asyncio.Semaphore(run.in_flight)
        self.sent: dict[str, float] = {}  # key → when
        self.unstored: dict[int, float] = {}  # seq → when sent

    async def connect(self) -> None:
        ticket = await sync_to_async(fetch_ticket, thread_sensitive=False)(self.token)
        self.socket: ClientConnection = await connect(
            f"ws://127.0.0.1:{settings.ENV.port}/ws/chat/",
            subprotocols=["veche.v1", f"ticket.{ticket}"],  # type: ignore[list-item]
            max_size=None,
        )
        await self.socket.send('{"t":"hello"}')

    async def send_until(self, end: float) -> None:
        while time.perf_counter() < end:
            await self.free.acquire()
            if self.run.pause:
                # Not in step with the others, as with people.
                await asyncio.sleep(self.run.pause * random.uniform(0.5, 1.5))
            key = str(uuid7())
            frame = {"t": "send", "id": key, "room": self.room, "key": key, "body": BODY}
            self.run.started[key] = time.perf_counter()
            await self.socket.send(json.dumps(frame))

    async def receive(self) -> None:
        async for text in self.socket:
            now = time.perf_counter()
            frame = json.loads(text)
            match frame["t"]:
                case "ok":
                    began = self.run.started[frame["id"]]
                    self.run.measured.acknowledged.append(now - began)
                    self.unstored[frame["seq"]] = began
                    self.free.release()
                case "error":
                    errors = self.run.measured.errors
                    errors[frame["code"]] = errors.get(frame["code"], 0) + 1
                    self.free.release()
                case "events":
                    for event in frame["events"]:
                        began = self.run.started.get(event["key"], 0.0)
                        if began and event["actor"] != self.user.pk:
                            self.run.measured.delivered.append(now - began)
                    await self.socket.send(json.dumps({"t": "seen", "f": frame["f"]}))
                case "stored":
                    upto = frame["rooms"].get(str(self.room), 0)
                    for seq in [one for one in self.unstored if one <= upto]:
                        self.run.measured.stored.append(now - self.unstored.pop(seq))


@dataclass
class Run:
    in_flight: int
    pause: float
    measured: Measured = field(default_factory=Measured)
    started: dict[str, float] = field(default_factory=dict)


def fetch_ticket(token: str) -> str:
    request = Request(
        f"http://127.0.0.1:{settings.ENV.port}/api/v1/tickets",
        method="POST",
        data=b"{}",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["ticket"])


async def prepare(count: int, rooms: int, run: Run) -> list[Sender]:
    people = []
    for number in range(count):
        user, _ = await User.objects.aget_or_create(username=f"bench-{number}")
        _, token = await sync_to_async(tokens.issue)(user.pk, "bench")
        people.append((user, token))
    senders = []
    for number in range(rooms):
        members = people[number::rooms]
        owner = members[0][0]
        room = await room_actions.create_room(owner.pk, f"Bench {uuid7()}", RoomKind.PRIVATE)
        for user, _ in members[1:]:
            await room_actions.invite(owner.pk, room.pk, user.pk)
        senders += [Sender(user, token, room.pk, run) for user, token in members]
    await room_log.close()
    return senders


async def measure(arguments: argparse.Namespace) -> None:
    pause = arguments.senders / arguments.rate if arguments.rate else 0.0
    run = Run(arguments.in_flight, pause)
    senders = await prepare(arguments.senders, arguments.rooms, run)
    await asyncio.sleep(3)  # until the memberships, which `hello` reads, are stored
    for sender in senders:
        await sender.connect()
    receiving = [asyncio.create_task(sender.receive()) for sender in senders]
    began = time.perf_counter()
    await asyncio.gather(*(sender.send_until(began + arguments.seconds) for sender in senders))
    seconds = time.perf_counter() - began
    acknowledged = len(run.measured.acknowledged)
    await asyncio.sleep(3)
    for task in receiving:
        task.cancel()
    report(run.measured, acknowledged, seconds)


def report(measured: Measured, acknowledged: int, seconds: float) -> None:
    print(f"acknowledged {acknowledged / seconds:,.0f}/s over {seconds:.1f} s")
    print(f"delivered    {len(measured.delivered) / seconds:,.0f}/s")
    for name in ("acknowledged", "delivered", "stored"):
        values = getattr(measured, name)
        if len(values) > 100:
            cuts = statistics.quantiles(values, n=100)
            print(f"{name:<13}p50 {cuts[49] * 1000:7.1f} ms   p99 {cuts[98] * 1000:7.1f} ms")
    if measured.errors:
        print("errors", measured.errors)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--senders", type=int, default=50)
    parser.add_argument("--rooms", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument(
        "--rate", type=float, default=0, help="messages/s of all; 0: as fast as can"
    )
    asyncio.run(measure(parser.parse_args()))
