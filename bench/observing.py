"""What metrics and traces cost a message, from its frame to its `ok`.

    .venv/bin/python -m bench.observing --messages 2000 --rounds 8

Starts its own servers. The variants take turns in one process, so that other work on the machine
affects all of them alike. Processor time is compared, in medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from bench.servers import own_servers

IN_FLIGHT = 25
CLOSED_AT_THE_END = 1012


class Transport:
    """Counts the answers."""

    def __init__(self) -> None:
        self.answered = asyncio.Semaphore(0)

    def send_text(self, text: str) -> None:
        if '"t":"ok"' in text:
            self.answered.release()
        elif '"t":"error"' in text:
            raise RuntimeError(text)

    def close(self, code: int) -> None:
        if code != CLOSED_AT_THE_END:
            raise RuntimeError(f"closed with {code}")


@contextlib.contextmanager
def nothing() -> Iterator[None]:
    """Neither metrics nor traces, as far as they can be removed from the code."""
    from prometheus_client import Counter, Gauge, Histogram

    from chat.metrics.types import Tally
    from chat.tracing import tracing

    class Ignored:
        def inc(self, amount: float = 1) -> None: ...
        def observe(self, amount: float) -> None: ...
        def set(self, value: float) -> None: ...

    ignored, no_context = Ignored(), contextlib.nullcontext()

    def ignore(*_: Any, **__: Any) -> None: ...

    def no_tracing(*_: Any) -> Any:
        return no_context

    with contextlib.ExitStack() as patches:
        for kind, methods in ((Counter, ["inc"]), (Gauge, ["inc", "dec", "set"])):
            for method in methods:
                patches.enter_context(mock.patch.object(kind, method, ignore))
        patches.enter_context(mock.patch.object(Histogram, "observe", ignore))
        patches.enter_context(mock.patch.object(Tally, "add", ignore))
        for metric in (Counter, Histogram):
            patches.enter_context(mock.patch.object(metric, "labels", return_value=ignored))
        for name in ("frame", "append"):
            patches.enter_context(mock.patch.object(tracing, name, new=no_tracing))
        yield


@contextlib.contextmanager
def traced(ratio: float) -> Iterator[None]:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from chatsite.observability import tracing

    tracing.start_with(BatchSpanProcessor(InMemorySpanExporter()), "bench", ratio)
    try:
        yield
    finally:
        tracing.stop()


VARIANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "nothing": nothing,
    "metrics, traces off": contextlib.nullcontext,
    "metrics, 5 % traced": lambda: traced(0.05),
    "metrics, all traced": lambda: traced(1.0),
}


async def measure(messages: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds of processor time per message, for each variant and round."""
    from asgiref.sync import sync_to_async

    from chat import hub as hubs
    from chat import room_log
    from chat.accounts import tokens
    from chat.accounts.revocation import token_grant
    from chat.accounts.socket_auth import Identity
    from chat.actions import rooms
    from chat.events import RoomKind
    from chat.hub.sockets import HubSocket
    from chat.models import User
    from chat.queries import room_list
    from chat.resilience.rate_limit import TokenBucket
    from chat.websocket.connection import Connection

    user = await sync_to_async(User.objects.create_user)("bench")
    room = await rooms.create_room(user.pk, "Bench", RoomKind.PRIVATE)
    transport = Transport()
    token, _ = await sync_to_async(tokens.issue)(user.pk, "bench")
    identity = Identity(user.pk, token_grant(token.pk), "bench", "Bench", staff=False)
    hub, socket = hubs.hub(), HubSocket(identity, transport, 10**12)
    hub.admit(socket)
    hub.enter(socket, await room_list.rooms_of(user.pk), {})
    connection = Connection(hub, socket)
    connection._frames = TokenBucket(1e9, 1e9)
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for number in range(rounds + 1):
        for name, variant in VARIANTS.items():
            with variant():
                seconds = await send(connection, transport, room.pk, messages)
            if number:  # the first round warms everything up
                found[name].append(seconds / messages * 1e6)
    await hubs.close()
    await room_log.close()
    return found


async def send(connection: Any, transport: Transport, room: int, messages: int) -> float:
    """Seconds of processor time for `messages`, `IN_FLIGHT` of them under way."""
    from uuid_utils.compat import uuid7

    frames = [
        json.dumps({"t": "send", "id": "c", "room": room, "key": str(uuid7()), "body": "x" * 80})
        for _ in range(messages)
    ]
    began = time.process_time()
    for first in range(0, messages, IN_FLIGHT):
        part = frames[first : first + IN_FLIGHT]
        for frame in part:
            connection.receive(frame)
        for _ in part:
            await transport.answered.acquire()
        await asyncio.sleep(0)
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=8)
    given = parser.parse_args()
    with own_servers(SENDS_PER_SECOND="10000", SENDS_BURST="100000", LOG_LEVEL="ERROR"):
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        found = asyncio.run(measure(given.messages, given.rounds))
    least = statistics.median(found["nothing"])
    for name, values in found.items():
        middle = statistics.median(values)
        print(f"{name:<22}{middle:8.1f} µs a message {middle / least:6.3f} ×")


if __name__ == "__main__":
    main()
