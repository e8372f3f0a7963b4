"""People who only read and stay: each records how long it was disconnected and whether it missed
anything.

They reconnect like the UI: after `bye` at the time that it names, otherwise after a pause that
doubles and is half random (chat/ui/src/lib/client/backoff.ts).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.drill.cluster.wire import Wire

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0
WELCOME_SECONDS = 20.0


@dataclass(frozen=True)
class Gap:
    """A time without a connection: from losing one to `welcome` on the next."""

    began: float
    seconds: float
    tries: int
    code: int | None  # of the connection that was lost
    bye: bool  # whether the server had announced it


@dataclass
class Watcher:
    """One person with one socket. `positions`: room → [epoch, seq]."""

    port: int
    cookie: str
    pick: random.Random
    positions: dict[int, list[int]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    frames: Counter[str] = field(default_factory=Counter)
    connected: bool = False
    handshakes: int = 0
    _wire: Wire | None = None
    _bye_seconds: float | None = None
    _code: int | None = None
    _welcomed: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        lost: float | None = None
        tries = 0
        code: int | None = None
        bye = False
        while True:
            tries += 1
            if await self._open():
                if lost is not None:
                    seconds = time.monotonic() - lost
                    self.gaps.append(Gap(lost, seconds, tries, code, bye))
                await self._ended.wait()
                lost, tries, code = time.monotonic(), 0, self._code
                bye = self._bye_seconds is not None
            self.connected = False
            await asyncio.sleep(self._pause(tries))

    def _pause(self, tries: int) -> float:
        """The pause after `tries` failed attempts."""
        seconds, self._bye_seconds = self._bye_seconds, None
        if seconds is not None:
            return seconds
        ceiling = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(tries, 10))
        return ceiling / 2 * (1 + self.pick.random())

    async def _open(self) -> bool:
        """Open a connection; returns whether `welcome` came."""
        self._welcomed.clear()
        self._ended.clear()
        self._code = None
        self.handshakes += 1
        loop = asyncio.get_running_loop()
        try:
            _, self._wire = await loop.create_connection(self._new_wire, "127.0.0.1", self.port)
        except OSError:
            return False
        waits = [asyncio.ensure_future(one.wait()) for one in (self._welcomed, self._ended)]
        await asyncio.wait(waits, timeout=WELCOME_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
        if not self._welcomed.is_set():
            self._wire.abort()
            return False
        self.connected = True
        return True

    def _new_wire(self) -> Wire:
        rooms = {
            str(room): {"epoch": epoch, "seq": seq} for room, (epoch, seq) in self.positions.items()
        }
        hello = json.dumps({"t": "hello", "rooms": rooms}).encode()
        return Wire(self.port, self.cookie, hello, self._on_frame, self._on_end)

    def _on_end(self, code: int | None) -> None:
        self._code = code
        self.connected = False
        self._ended.set()

    def cut(self) -> None:
        """Lose the connection as if the network broke."""
        if self._wire is not None:
            self._wire.abort()

    def has(self, heads: dict[int, int]) -> bool:
        """Whether it has seen every event of its rooms up to `heads`."""
        return all(seq >= heads.get(room, 0) for room, (_, seq) in self.positions.items())

    # Frames

    def _on_frame(self, frame: dict[str, Any]) -> None:
        kind = frame["t"]
        self.frames[kind] += 1
        if kind == "events":
            self._on_events(frame)
        elif kind == "welcome":
            for room in frame["rooms"]:
                self.positions.setdefault(room["id"], [room["epoch"], room["head"]])
            self._welcomed.set()
        elif kind == "bye":
            self._bye_seconds = frame["reconnect_after_ms"] / 1000
        elif kind == "reset":
            self.problems.append(f"room {frame['room']} was reset to epoch {frame['epoch']}")
            self.positions[frame["room"]] = [frame["epoch"], frame["head"]]

    def _on_events(self, frame: dict[str, Any]) -> None:
        place = self.positions[frame["room"]]
        for event in frame["events"]:
            if event["seq"] > place[1] + 1:
                text = f"room {frame['room']}: {event['seq']} came after {place[1]}"
                self.problems.append(text)
            place[1] = max(place[1], event["seq"])
        assert self._wire is not None
        self._wire.send(b'{"t":"seen","f":%d}' % frame["f"])


class Watchers:
    """A number of watchers, and their combined results."""

    def __init__(self, port: int, people: list[dict[str, Any]], seed: int) -> None:
        self.all = [
            Watcher(port, person["cookie"], random.Random(f"{seed} {number}"))
            for number, person in enumerate(people)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, per_second: float) -> None:
        """Let them connect one after the other."""
        for watcher in self.all:
            self._tasks.append(asyncio.create_task(watcher.run()))
            await asyncio.sleep(1 / per_second)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for watcher in self.all:
            watcher.cut()

    def check_alive(self) -> None:
        """Raise the error that ended one of them, if any."""
        for task in self._tasks:
            if task.done():
                task.result()

    def connected(self) -> int:
        return sum(watcher.connected for watcher in self.all)

    async def until_connected(self, seconds: float) -> bool:
        return await self._until(lambda: self.connected() == len(self.all), seconds)

    async def until_they_have(self, heads: dict[int, int], seconds: float) -> bool:
        return await self._until(lambda: all(one.has(heads) for one in self.all), seconds)

    async def _until(self, is_so: Any, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not is_so():
            self.check_alive()
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.02)
        return True

    def gaps_since(self, moment: float) -> list[Gap]:
        return [gap for one in self.all for gap in one.gaps if gap.began >= moment]

    def problems(self) -> list[str]:
        return [text for one in self.all for text in one.problems]
