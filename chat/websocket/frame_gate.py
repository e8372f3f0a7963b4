"""How much of what a connection receives may be parsed now: every WebSocket frame has its price.

A WebSocket server answers pings, takes pongs and collects fragments without asking the
application, so the application's own limits never see them. This stands between network and
parser: it reads the frames' headers, hands on what the budgets of the connection and of its person
allow, and holds the rest, for which the server stops reading. Nothing is refused here. Who floods
is slowed by TCP down to the budget, and an honest burst that is too large is only late.

Pure: no socket, and the clock is given.
"""

from __future__ import annotations

import time
from typing import Any

from chat.resilience.rate_limit import BucketsByUser, Clock, TokenBucket

# The server puts the gate of a connection here in the ASGI scope's `extensions`.
EXTENSION = "veche.frame_gate"

# One unit is a small frame of any opcode. Twice what `chat.websocket.connection` allows in
# messages, so that a client which sends too many of those is told so before it is only slowed.
UNITS_PER_SECOND = 400.0
UNITS_BURST = 800.0
# All connections of a person in one process: 20 open tabs send less.
PERSON_UNITS_PER_SECOND = 1_200.0
PERSON_UNITS_BURST = 2_400.0
# 96 KB, the longest message that is not too large, cost as much as 25 small frames.
BYTES_PER_UNIT = 4_096
# The parser refuses what is longer as soon as it has read the header.
MAX_PRICE = 64.0
# Frames parsed in one go before the event loop serves others: 2 to 4 ms.
FRAMES_AT_ONCE = 64
# Shorter waits would wake the process for single frames.
LEAST_WAIT_SECONDS = 0.05
# A message in more pieces than this is an attack: ordinary clients send one. The parsers keep even
# empty pieces.
MAX_FRAGMENTS = 256

_MASKED = 0x80


class FrameGate:
    """What one connection has received and not parsed yet. Not limited here: read no more while
    `take` says so, then it is one read at the most."""

    def __init__(self, people: BucketsByUser, clock: Clock = time.monotonic) -> None:
        self._people = people
        self._own = TokenBucket(UNITS_PER_SECOND, UNITS_BURST, clock)
        self._user_id: int | None = None
        self._held = b""
        self._rest = 0  # bytes of the last frame that was paid which are still to come
        self._dropped = False

    def belongs_to(self, user_id: int) -> None:
        """From now on the person's other connections draw on the same budget."""
        self._user_id = user_id

    def put(self, data: bytes) -> None:
        """Data from the network, behind what is held."""
        if not self._dropped:
            self._held = self._held + data if self._held else data

    def take(self) -> tuple[bytes, float | None]:
        """What may be parsed now, and the seconds after which to ask again.

        None instead of seconds when nothing is left but, perhaps, a part of a header: read on.
        """
        held, position, frames = self._held, 0, 0
        wait: float | None = None
        while position < len(held):
            if self._rest:
                step = min(self._rest, len(held) - position)
                self._rest -= step
                position += step
                continue
            size, length = _header(held, position)
            if size == 0:
                break
            if frames == FRAMES_AT_ONCE:
                wait = 0.0
                break
            short = self._pay(min(1 + length // BYTES_PER_UNIT, MAX_PRICE))
            if short > 0:
                wait = max(short, LEAST_WAIT_SECONDS)
                break
            frames += 1
            self._rest = size + length
        self._held = held[position:]
        return held[:position], wait

    def drop(self) -> None:
        """The connection is ending: forget what is held and whatever else comes."""
        self._dropped = True
        self._held = b""

    def _pay(self, price: float) -> float:
        """0.0 when both budgets have paid, else the seconds to wait, and neither has."""
        wait = self._own.take(price)
        if wait > 0 or self._user_id is None:
            return wait
        wait = self._people.take(self._user_id, price)
        if wait > 0:
            self._own.spend(-price)
        return wait


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Bytes of the frame header at `at`, and of the payload it announces; (0, 0) if not whole.

    Source: RFC 6455, section 5.2
    """
    if len(data) - at < 2:
        return 0, 0
    second = data[at + 1]
    length = second & 0x7F
    size = 6 if second & _MASKED else 2
    if length >= 126:
        extended = 2 if length == 126 else 8
        size += extended
        if len(data) - at < size:
            return 0, 0
        length = int.from_bytes(data[at + 2 : at + 2 + extended], "big")
    elif len(data) - at < size:
        return 0, 0
    return size, length


_people = BucketsByUser(PERSON_UNITS_PER_SECOND, PERSON_UNITS_BURST)


def new_gate() -> FrameGate:
    """The gate of a new connection of this process."""
    return FrameGate(_people)


def gate_of(scope: dict[str, Any]) -> FrameGate | None:
    """The gate in front of a connection; None under a server without one, as in tests."""
    gate: FrameGate | None = scope.get("extensions", {}).get(EXTENSION, {}).get("gate")
    return gate
