"""People who chat and record everything that they do and are told.

They behave as the protocol asks: they send again under the same key until there is an answer,
resume after the last seq, ask for missing events, and confirm what they got. Some give up when they
do not know whether a request was logged, like people who close a tab.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.drill import history
from tests.drill.flow import FlowWatch
from tests.drill.history import REDACTED, Recorder, Seen, digest
from tests.drill.requests import Request, Wishes

CONNECT_SECONDS = 5.0
# A client that waits longer for the answer to a request tries another connection.
ANSWER_SECONDS = 8.0
# A heartbeat takes a little over 20 s; a connection that is silent for longer is dead.
SILENCE_SECONDS = 25.0
TICK_SECONDS = 0.05
MAX_WAITING = 6
GIVE_UP_SHARE = 0.12
BURST_SHARE = 0.15
SYNC_SHARE = 0.2
NOT_ACCEPTED = {"rate_limited"}
UNKNOWN = {"unavailable"}


class Gone(Exception):
    """The connection is over; the text says why."""


@dataclass(frozen=True)
class Person:
    id: int
    token: str
    cookie: str
    rooms: tuple[int, ...]


@dataclass(frozen=True)
class Pace:
    """Mean seconds between two requests (0: only reads), and how long a connection is kept."""

    between: float
    stay: tuple[float, float]
    away: tuple[float, float] = (0.1, 1.0)


@dataclass
class Crowd:
    """The state that all clients share."""

    recorder: Recorder
    webs: dict[str, int]  # name → port
    senders: set[str] = field(default_factory=set)
    requests: dict[str, Request] = field(default_factory=dict)  # key → request
    connected: dict[str, int] = field(default_factory=dict)  # web → connections
    watch: FlowWatch | None = None
    writing: bool = True
    closing: bool = False
    connections: int = 0
    transmissions: int = 0
    acknowledged: int = 0

    def choose_web(self, pick: random.Random, failed: str | None) -> str:
        """Choose like a gateway with least_conn that skips a server that has just failed."""
        open_to = [web for web in self.webs if web != failed] or list(self.webs)
        pick.shuffle(open_to)
        return min(open_to, key=lambda web: self.connected.get(web, 0))


async def fetch_ticket(port: int, token: str) -> str:
    """A ticket for one connection. Raises: OSError, ValueError, EOFError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            b"POST /api/v1/tickets HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n"
            b"Authorization: Bearer " + token.encode() + b"\r\n\r\n{}"
        )
        status = await reader.readline()
        while await reader.readline() not in (b"\r\n", b""):
            pass
        body = await reader.read()
    finally:
        writer.close()
    if b" 200 " not in status and b" 201 " not in status:
        raise ValueError(status.decode(errors="replace").strip())
    found = body[body.index(b"{") : body.rindex(b"}") + 1]
    return str(json.loads(found)["ticket"])


class Client:
    """One person with one connection at a time."""

    def __init__(self, name: str, person: Person, crowd: Crowd, pace: Pace, seed: int) -> None:
        self.name = name
        self.person = person
        self.positions: dict[int, tuple[int, int]] = {}  # room → (epoch, seq)
        self.pending: dict[str, Request] = {}
        self._crowd = crowd
        self._pace = pace
        self._pick = random.Random(f"{seed} {name}")
        self._wishes = Wishes(random.Random(f"{seed} {name} wishes"))
        self._by_tx: dict[int, Request] = {}
        self._next_wish = 0.0
        self._web = ""
        self._conn = 0
        self._socket: ClientConnection
        self._ahead: dict[int, set[int]] = {}
        self._behind: set[int] = set()  # rooms that were behind at the last heads
        self._syncing: dict[int, tuple[int, int]] = {}  # tx → (room, after)
        self._last_frame = 0.0

    def is_idle(self) -> bool:
        return not self.pending

    def seqs(self) -> dict[int, int]:
        return {room: seq for room, (_, seq) in self.positions.items()}

    # One connection after the other

    async def run(self) -> None:
        """Chat until the crowd closes."""
        failed: str | None = None
        failures = 0
        while not self._crowd.closing:
            web = self._crowd.choose_web(self._pick, failed)
            try:
                await self._connection(web)
            except Gone as gone:
                failed, failures = (None, 0) if gone.args[0] == "left" else (web, 0)
            except (OSError, EOFError, ValueError, TimeoutError, WebSocketException):
                failed, failures = web, failures + 1
            pause = self._pick.uniform(*self._pace.away)
            await asyncio.sleep(min(pause * 2**failures, 2.0) if failures else pause)

    async def _connection(self, web: str) -> None:
        """One connection from handshake to end. Raises: Gone, or the error that prevented it."""
        async with asyncio.timeout(CONNECT_SECONDS):
            self._socket = await self._open(web)
        self._crowd.connected[web] = self._crowd.connected.get(web, 0) + 1
        self._crowd.connections += 1
        self._conn, self._web = self._crowd.connections, web
        why = "cancelled"
        try:
            await self._hello()
            await self._talk()
        except Gone as gone:
            why = str(gone)
            raise
        except WebSocketException as error:
            received = getattr(error, "rcvd", None)
            why = f"closed {received.code}" if received is not None else type(error).__name__
            raise Gone(why) from error
        except OSError as error:
            why = type(error).__name__
            raise Gone(why) from error
        finally:
            self._crowd.connected[web] -= 1
            self._forget_transmissions(why)
            self._write(history.Closed, conn=self._conn, why=why)
            if why == "left":
                await self._socket.close()
            else:
                self._socket.transport.abort()

    async def _open(self, web: str) -> ClientConnection:
        port = self._crowd.webs[web]
        subprotocols = ["veche.v1"]
        headers = {}
        origin = None
        if self.person.id % 2:  # as a browser
            headers["Cookie"] = self.person.cookie
            origin = f"http://127.0.0.1:{port}"
        else:  # as a program
            subprotocols.append(f"ticket.{await fetch_ticket(port, self.person.token)}")
        return await connect(
            f"ws://127.0.0.1:{port}/ws/chat/",
            subprotocols=subprotocols,  # type: ignore[arg-type]
            origin=origin,  # type: ignore[arg-type]
            additional_headers=headers,
            open_timeout=CONNECT_SECONDS,
            close_timeout=1,
            ping_interval=None,
            compression=None,
            max_size=None,
            proxy=None,
        )

    async def _hello(self) -> None:
        # Some reconnect without positions and ask for what they missed, as REST clients would.
        resumes = bool(self.positions) and self._pick.random() >= SYNC_SHARE
        positions = dict(self.positions) if resumes else {}
        self._ahead, self._behind, self._syncing = {}, set(), {}
        asked = self._write(
            history.Opened, client=self.name, conn=self._conn, web=self._web, positions=positions
        )
        named = {str(room): {"epoch": e, "seq": seq} for room, (e, seq) in positions.items()}
        await self._socket.send(json.dumps({"t": "hello", "rooms": named}))
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                frame = msgspec.json.decode(await self._socket.recv())
                if frame["t"] == "welcome":
                    break
                if frame["t"] == "bye":
                    raise Gone("bye")
        rooms = {room["id"]: (room["epoch"], room["head"]) for room in frame["rooms"]}
        self._last_frame = self._write(history.Welcomed, conn=self._conn, rooms=rooms)
        if self._crowd.watch is not None:
            self._crowd.watch.welcomed(self._web, asked, self._last_frame)
        for room, place in rooms.items():
            epoch, _ = self.positions.setdefault(room, place)
            if not resumes and epoch != place[0]:
                self.positions[room] = place
            elif not resumes and self.positions[room][1] < place[1]:
                await self._sync(room)

    async def _talk(self) -> None:
        until = self._crowd.recorder.now() + self._pick.uniform(*self._pace.stay)
        tasks = [
            asyncio.create_task(self._receive(), name=f"{self.name} receives"),
            asyncio.create_task(self._send_until(until), name=f"{self.name} sends"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # What goes out

    async def _send_until(self, until: float) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self._crowd.recorder.now()
            if now - self._last_frame > SILENCE_SECONDS:
                raise Gone("silence")
            if any(now - one.sent > ANSWER_SECONDS for one in self._by_tx.values()):
                raise Gone("no answer")
            if self._crowd.closing or (now > until and not self._by_tx and self._crowd.writing):
                raise Gone("left")
            for request in list(self.pending.values()):
                if request.tx is None and now >= request.not_before:
                    await self._transmit(request)
            if self._wants_something(now):
                burst = self._pick.randint(2, 4) if self._pick.random() < BURST_SHARE else 1
                for _ in range(burst):
                    await self._invoke()

    def _wants_something(self, now: float) -> bool:
        if not self._pace.between or not self._crowd.writing or now < self._next_wish:
            return False
        self._next_wish = now + self._pace.between * self._pick.uniform(0.3, 1.7)
        return len(self.pending) < MAX_WAITING

    async def _invoke(self) -> None:
        request = self._wishes.next(self._pick.choice(self.person.rooms))
        self._crowd.requests[request.key] = request
        self.pending[request.key] = request
        request.first_sent = self._write(
            history.Invoke,
            client=self.name,
            actor=self.person.id,
            key=request.key,
            type=request.type,
            room=request.room,
            digest=request.digest,
        )
        await self._transmit(request)

    async def _transmit(self, request: Request) -> None:
        tx = self._next_tx()
        request.tx, request.web = tx, self._web
        self._by_tx[tx] = request
        request.sent = self._write(history.Attempt, conn=self._conn, tx=tx, key=request.key)
        await self._socket.send(json.dumps({**request.frame, "id": str(tx)}))

    def _next_tx(self) -> int:
        self._crowd.transmissions += 1
        return self._crowd.transmissions

    async def _sync(self, room: int) -> None:
        if not any(room == asked for asked, _ in self._syncing.values()):
            tx = self._next_tx()
            after = self.positions[room][1]
            self._syncing[tx] = (room, after)
            frame = {"t": "sync", "id": str(tx), "room": room, "after": after}
            await self._socket.send(json.dumps(frame))

    def _forget_transmissions(self, why: str) -> None:
        for tx, request in list(self._by_tx.items()):
            self._unknown(tx, request, why)
        self._by_tx.clear()

    def _unknown(self, tx: int, request: Request, why: str) -> None:
        self._write(history.Info, conn=self._conn, tx=tx, key=request.key, why=why)
        request.tx = None
        if self._pick.random() < GIVE_UP_SHARE and self._crowd.writing:
            del self.pending[request.key]
            self._write(history.GivenUp, key=request.key)

    # What comes in

    async def _receive(self) -> None:
        handlers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "events": self._on_events,
            "ok": self._on_ok,
            "error": self._on_error,
            "batch": self._on_batch,
            "reset": self._on_reset,
            "heads": self._on_heads,
            "stored": self._on_stored,
        }
        while True:
            frame = msgspec.json.decode(await self._socket.recv())
            self._last_frame = self._crowd.recorder.now()
            handler = handlers.get(frame["t"])
            if handler is not None:
                await handler(frame)
            elif frame["t"] == "bye":
                raise Gone("bye")

    async def _on_ok(self, frame: dict[str, Any]) -> None:
        tx = int(frame["id"])
        request = self._by_tx.pop(tx)
        place = {name: frame[name] for name in ("room", "epoch", "seq", "n")}
        now = self._write(history.Ok, conn=self._conn, tx=tx, key=request.key, **place)
        del self.pending[request.key]
        self._crowd.acknowledged += 1
        if request.type == "message.posted":
            self._wishes.posted(request.room, frame["seq"], own=True)
        elif request.type == "reply.posted":
            self._wishes.replied(request.room, frame["seq"])
        watch = self._crowd.watch
        if watch is not None:
            watch.acknowledged(self.name, self._web, frame["room"], frame["seq"], request.sent, now)

    async def _on_error(self, frame: dict[str, Any]) -> None:
        if frame["id"] is None:
            return
        tx, code, wait = int(frame["id"]), frame["code"], frame.get("retry_after", 0.5)
        asked = self._syncing.pop(tx, None)
        if asked is not None:
            self._behind.add(asked[0])  # the next heads ask again
            return
        request = self._by_tx.pop(tx)
        now = self._crowd.recorder.now()
        request.not_before = now + wait * self._pick.uniform(1.0, 1.5)
        if code in UNKNOWN:
            self._unknown(tx, request, code)
            return
        request.tx = None
        self._write(history.Fail, conn=self._conn, tx=tx, key=request.key, code=code)
        if code not in NOT_ACCEPTED:
            del self.pending[request.key]

    async def _on_events(self, frame: dict[str, Any]) -> None:
        room = frame["room"]
        events = [seen_of(event) for event in frame["events"]]
        now = self._write(history.Frame, conn=self._conn, room=room, events=events)
        await self._socket.send(json.dumps({"t": "seen", "f": frame["f"]}))
        self._take(room, events)
        watch = self._crowd.watch
        for event in events:
            request = self._crowd.requests.get(event.key or "")
            if watch is not None and request is not None:
                watch.delivered(request.first_sent, request.web, self._web, now)
            if event.type == "message.posted" and event.actor != self.person.id:
                self._wishes.posted(room, event.seq, own=False)
        if self._ahead.get(room):
            await self._sync(room)

    async def _on_batch(self, frame: dict[str, Any]) -> None:
        room, after = self._syncing.pop(int(frame["id"]))
        events = [seen_of(event) for event in frame["events"]]
        self._write(history.Batch, conn=self._conn, room=room, after=after, events=events)
        self._take(room, events)
        if events and frame["head"] > self.positions[room][1]:
            await self._sync(room)

    def _take(self, room: int, events: list[Seen]) -> None:
        epoch, have = self.positions[room]
        ahead = self._ahead.setdefault(room, set())
        ahead.update(event.seq for event in events if event.seq > have)
        while have + 1 in ahead:
            have += 1
            ahead.discard(have)
        self.positions[room] = (epoch, have)

    async def _on_reset(self, frame: dict[str, Any]) -> None:
        place = {name: frame[name] for name in ("room", "epoch", "head")}
        self._write(history.WasReset, conn=self._conn, **place)
        self.positions[frame["room"]] = (frame["epoch"], frame["head"])
        self._ahead.pop(frame["room"], None)

    async def _on_heads(self, frame: dict[str, Any]) -> None:
        rooms = {int(room): tuple(place) for room, place in frame["rooms"].items()}
        self._write(history.Heads, conn=self._conn, rooms=rooms)
        behind = {
            room
            for room, (epoch, head) in rooms.items()
            if self.positions[room][0] == epoch and self.positions[room][1] < head
        }
        # The server sends missing events by itself; a client that is behind twice asks for them.
        for room in behind & self._behind:
            await self._sync(room)
        self._behind = behind

    async def _on_stored(self, frame: dict[str, Any]) -> None:
        rooms = {int(room): seq for room, seq in frame["rooms"].items()}
        now = self._write(history.Stored, conn=self._conn, rooms=rooms)
        if self._crowd.watch is not None:
            for room, seq in rooms.items():
                self._crowd.watch.stored(room, seq, now)

    def _write(self, kind: type[history.Record], **fields: Any) -> float:
        return self._crowd.recorder.write(kind, **fields)


def seen_of(event: dict[str, Any]) -> Seen:
    """An event of a frame in the form that the history keeps."""
    return Seen(
        event["seq"],
        event["n"],
        event["type"],
        event["key"],
        event["actor"],
        REDACTED if event.get("redacted") else digest(event["data"]),
    )
