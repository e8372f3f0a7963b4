"""How much of a connection's received data may be parsed now: every WebSocket frame has a price.

A WebSocket server answers pings, takes pongs and collects fragments without asking the
application, so the application's own limits never see them. This gate sits between network and
parser. It reads the frames' headers, hands on what the budgets of the connection and of its person
allow, and holds the rest, while the server stops reading. Nothing is refused here. TCP slows a
flooding client down to the budget, and an honest burst that is too large is only late.

Pure: no socket, and the clock is given.
"""

from __future__ import annotations

import time
from typing import Any

from chat.resilience.rate_limit import BucketsByUser, Clock, TokenBucket

# The server puts the gate of a connection here in the ASGI scope's `extensions`.
EXTENSION = "veche.frame_gate"

# One unit is a small frame of any opcode. Twice what `chat.websocket.connection` allows in
# messages, so that a client that sends too many messages is told so before it is only slowed.
UNITS_PER_SECOND = 400.0
UNITS_BURST = 800.0
# For all connections of a person in one process: 20 open tabs send less.
PERSON_UNITS_PER_SECOND = 1_200.0
PERSON_UNITS_BURST = 2_400.0
# 96 KB, the longest message that is not too large, cost as much as 25 small frames.
BYTES_PER_UNIT = 4_096
# The parser refuses longer frames as soon as it has read the header.
MAX_PRICE = 64.0
# Frames parsed in one go before the event loop serves others: 2 to 4 ms.
FRAMES_AT_ONCE = 64
# Shorter waits would wake the process for single frames.
LEAST_WAIT_SECONDS = 0.05
# A message in more fragments than this is an attack: ordinary clients send one. The parsers keep
# even empty fragments.
MAX_FRAGMENTS = 256

_MASKED = 0x80


class FrameGate:
    """What one connection has received but not parsed yet. Not limited here: callers stop reading
    while `take` says so, and then it is one read at most."""

    def __init__(self, people: BucketsByUser, clock: Clock = time.monotonic) -> None:
        self._people = people
        self._own = TokenBucket(UNITS_PER_SECOND, UNITS_BURST, clock)
        self._user_id: int | None = None
        self._held = b""
        self._rest = 0  # bytes still to come of the last frame that was paid for
        self._dropped = False

    def belongs_to(self, user_id: int) -> None:
        """From now on the person's other connections draw on the same budget."""
        self._user_id = user_id

    def put(self, data: bytes) -> None:
        """Add data from the network after the data held."""
        if not self._dropped:
            self._held = self._held + data if self._held else data

    def take(self) -> tuple[bytes, float | None]:
        """The bytes that may be parsed now, and the seconds after which to ask again.

        None instead of seconds when at most part of a header is left: read on.
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
        """The connection is ending: forget the data held and any that still comes."""
        self._dropped = True
        self._held = b""

    def _pay(self, price: float) -> float:
        """0.0 when both budgets have paid; otherwise neither has, and these are seconds to wait."""
        wait = self._own.take(price)
        if wait > 0 or self._user_id is None:
            return wait
        wait = self._people.take(self._user_id, price)
        if wait > 0:
            self._own.spend(-price)
        return wait


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Sizes of the frame header at `at` and of its payload; (0, 0) if the header is incomplete.

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
