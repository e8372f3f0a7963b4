"""The probe: sends a message the way a program does, and watches it through every stage.

Internal metrics miss silent losses. The probe looks from outside: it gets a ticket by REST and
opens two WebSockets at the address that people use, one that writes and one that reads. Then it
asks PostgreSQL how far the export, and the analytics, have got.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from uuid_utils.compat import uuid7
from websockets.asyncio.client import ClientConnection, connect

from chat.metrics import catalogue as metrics
from chat.models import ExportedRoom
from chat.protocol import SUBPROTOCOL, TICKET_SUBPROTOCOL_PREFIX
from chat.servers.postgres import in_database
from chat.verify.rollups import rollups

logger = logging.getLogger(__name__)

BODY = "probe"
CONNECT_SECONDS = 10.0
POLL_SECONDS = 0.1

# Whether the event at (room, seq) has reached a stage.
IsThere = Callable[[int, int], bool]


class ProbeFailed(Exception):
    """A stage did not end in time, or was refused. The error's text holds no address."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(f"{stage}: {why}")
        self.stage = stage
        self.why = why


class Measured(msgspec.Struct, frozen=True):
    """The result of one run. `seconds` since sending, for each stage that was reached."""

    seconds: dict[str, float]
    failures: dict[str, str]
    """Stage → why it was not reached."""

    @property
    def is_ok(self) -> bool:
        return not self.failures


class Peer:
    """A connection of the probe. Frames are given to `on_frame` as they come."""

    def __init__(self, connection: ClientConnection, on_frame: Callable[[Any], None]) -> None:
        self.connection = connection
        self._on_frame = on_frame
        self._welcomed = asyncio.Event()
        self._task = asyncio.create_task(self._read(), name="probe reader")

    async def hello(self) -> None:
        await self.send(t="hello", rooms={})
        await self._welcomed.wait()

    async def send(self, **frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.connection.close()

    async def _read(self) -> None:
        async for text in self.connection:
            frame = json.loads(text)
            if frame["t"] == "welcome":
                self._welcomed.set()
            self._on_frame(frame)


class Run:
    """One message and what has been heard about it."""

    def __init__(self, room: int, stage_seconds: float) -> None:
        self._room = room
        self._key = str(uuid7())
        self._stage_seconds = stage_seconds
        self._sent_at = 0.0
        self._seq: int | None = None
        self._stored = 0
        self._at: dict[str, float] = {}
        self._heard = asyncio.Event()
        self.refused = ""

    def on_writer_frame(self, frame: Any) -> None:
        if frame["t"] == "ok":
            self._seq = int(frame["seq"])
            self._reached("ack")
        elif frame["t"] == "error":
            self.refused = str(frame["code"])
        self._look_at_stored()

    def on_reader_frame(self, frame: Any) -> None:
        if frame["t"] == "events" and frame["room"] == self._room:
            if any(event["key"] == self._key for event in frame["events"]):
                self._reached("delivery")
        elif frame["t"] == "stored":
            self._stored = max(self._stored, frame["rooms"].get(str(self._room), 0))
        self._look_at_stored()

    def _look_at_stored(self) -> None:
        if self._seq is not None and self._stored >= self._seq:
            self._reached("stored")
        self._heard.set()

    def _reached(self, stage: str) -> None:
        self._at.setdefault(stage, time.monotonic())

    async def measure(self, writer: Peer) -> Measured:
        self._sent_at = time.monotonic()
        await writer.send(t="send", id="probe", room=self._room, key=self._key, body=BODY)
        failures: dict[str, str] = {}
        for stage in ("ack", "delivery", "stored"):
            if not await self._wait_for(stage):
                failures[stage] = self.refused or "not in time"
                if stage == "ack":
                    return self._measured(failures)
        seq = self._seq or 0
        for stage, is_there in last_stages().items():
            try:
                async with asyncio.timeout(self._left()):
                    # Another process does the work, and nothing here is told about it.
                    while not await in_database(is_there, self._room, seq):  # noqa: ASYNC110
                        await asyncio.sleep(POLL_SECONDS)
            except TimeoutError:
                failures[stage] = "not in time"
            except Exception as error:
                failures[stage] = type(error).__name__
            else:
                self._reached(stage)
        return self._measured(failures)

    async def _wait_for(self, stage: str) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._left()):
                while stage not in self._at and not self.refused:
                    self._heard.clear()
                    await self._heard.wait()
        return stage in self._at

    def _left(self) -> float:
        return max(0.0, self._sent_at + self._stage_seconds - time.monotonic())

    def _measured(self, failures: dict[str, str]) -> Measured:
        return Measured({stage: at - self._sent_at for stage, at in self._at.items()}, failures)


def is_exported(room: int, seq: int) -> bool:
    """Whether the event bus has acknowledged the event. Raises: OperationalError."""
    return ExportedRoom.objects.filter(room=room, seq__gte=seq).exists()


def last_stages() -> dict[str, IsThere]:
    """The stages that no WebSocket reports, in order."""
    return {"exported": is_exported, "rolled_up": rollups().is_counted}


async def probe(room: int, token: str) -> Measured:
    """One run, in the probe's room and with a token of its account. Counts it in the metrics.

    Never raises for failures of Veche: the result reports them.
    """
    try:
        async with _two_peers(room, token) as (run, writer):
            measured = await run.measure(writer)
    except ProbeFailed as failed:
        measured = Measured({}, {failed.stage: failed.why})
    _count(measured)
    return measured


@contextlib.asynccontextmanager
async def _two_peers(room: int, token: str) -> AsyncIterator[tuple[Run, Peer]]:
    run = Run(room, settings.ENV.probe_stage_seconds)
    async with contextlib.AsyncExitStack() as open_peers:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                for on_frame in (run.on_reader_frame, run.on_writer_frame):
                    peer = Peer(await _connect(token), on_frame)
                    open_peers.push_async_callback(peer.close)
                    await peer.hello()
        except Exception as error:
            # Whatever the error, nobody can connect.
            raise ProbeFailed("connect", type(error).__name__) from error
        try:
            yield run, peer
        except Exception as error:
            raise ProbeFailed("ack", type(error).__name__) from error


async def _connect(token: str) -> ClientConnection:
    """A new connection with a ticket; to PROBE_URL, but under the host name that people use."""
    public = urlsplit(settings.ENV.allowed_origins[0])
    at = urlsplit(settings.ENV.probe_url or settings.ENV.allowed_origins[0])
    ticket = await asyncio.to_thread(_ticket, at.geturl(), public.netloc, token)
    secure = at.scheme == "https"
    return await connect(
        f"{'wss' if secure else 'ws'}://{public.netloc}/ws/chat/",
        host=at.hostname,
        port=at.port or (443 if secure else 80),
        subprotocols=[SUBPROTOCOL, TICKET_SUBPROTOCOL_PREFIX + ticket],  # type: ignore[list-item]
        compression=None,
        proxy=None,
        max_size=4 * 1024 * 1024,
        open_timeout=CONNECT_SECONDS,
    )


def _ticket(address: str, host: str, token: str) -> str:
    request = urllib.request.Request(  # noqa: S310 - checked by chatsite.env_checks
        f"{address}/api/v1/tickets",
        method="POST",
        headers={"Authorization": f"Bearer {token}", "Host": host},
    )
    with urllib.request.urlopen(request, timeout=CONNECT_SECONDS) as answer:  # noqa: S310
        found: str = json.load(answer)["ticket"]
    return found


def _count(measured: Measured) -> None:
    for stage, seconds in measured.seconds.items():
        metrics.PROBE_SECONDS.labels(stage).observe(seconds)
    for stage, why in measured.failures.items():
        metrics.PROBE_FAILURES.labels(stage).inc()
        logger.error("the probe did not get through: %s: %s", stage, why)
    metrics.PROBE_RUNS.labels("ok" if measured.is_ok else "failed").inc()
    if measured.is_ok:
        metrics.PROBE_LAST_SUCCESS.set(time.time())


async def repeat(
    run_once: Callable[[], Awaitable[object]], every_seconds: float, stop: asyncio.Event
) -> None:
    """Run at once and then every `every_seconds`, from start to start, until `stop` is set."""
    while not stop.is_set():
        began = time.monotonic()
        await run_once()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(1.0, began + every_seconds - time.monotonic())):
                await stop.wait()
