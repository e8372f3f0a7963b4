"""A connection as the hub sees it: whose it is, what it was sent, what it has confirmed."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from chat.accounts.socket_auth import Identity
from chat.hub.read_markers import Moved
from chat.hub.seen_window import SeenWindow
from chat.metrics import catalogue as metrics
from chat.protocol import AnyServerFrame, CloseCode, encode

# Nobody sets more markers by hand in the moment between `hello` and `welcome`.
MOST_SET_MEANWHILE = 20


class Transport(Protocol):
    """How frames leave. Both methods return at once and keep their order."""

    def send_text(self, text: str) -> None: ...

    def close(self, code: int) -> None: ...


class HubSocket:
    """One connection. Nothing here waits, except for the client's `seen`."""

    def __init__(self, identity: Identity, transport: Transport, unseen_limit_bytes: int) -> None:
        self.identity = identity
        self.user_id = identity.user_id
        # Room → the seq up to which the log listed the person as a member when it was asked.
        self.rooms: dict[int, int] = {}
        self.heads_told = 0  # how many of its rooms have had their turn in `heads`
        self.stored: dict[int, int] = {}  # watermarks that wait for the next `stored` frame
        self.closed = False
        self.greeted = False  # whether `welcome` was sent
        self.entered_meanwhile: set[int] = set()  # rooms to look at after `welcome`
        self.read_meanwhile: dict[int, Moved] = {}  # markers of rooms that it does not have yet
        # `markers` frames that came before `welcome`.
        self.set_meanwhile: deque[str] = deque(maxlen=MOST_SET_MEANWHILE)
        self.window = SeenWindow(unseen_limit_bytes)
        self._transport = transport
        self._progress = asyncio.Event()

    def send_text(self, text: str) -> None:
        if not self.closed:
            self._transport.send_text(text)

    def send(self, frame: AnyServerFrame) -> None:
        self.send_text(encode(frame))

    def send_events(self, rest: str, size_bytes: int) -> bool:
        """Send an `events` frame: `rest` is its text after the frame number.

        False when the client has left too much unconfirmed; nothing is sent then.
        """
        if self.window.is_full():
            return False
        number = self.window.sent(size_bytes)
        self.send_text(f'{{"t":"events","f":{number},{rest}')
        return True

    def seen(self, frame: int) -> None:
        """Raises: NeverSent."""
        if self.window.seen(frame):
            self._progress.set()

    async def wait_for_seen(self, timeout_seconds: float) -> bool:
        """Whether the client confirmed something in time."""
        self._progress.clear()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._progress.wait()
        except TimeoutError:
            return False
        return True

    def close(self, code: CloseCode) -> None:
        """Nothing is sent after this."""
        if not self.closed:
            self.closed = True
            self._progress.set()
            metrics.SOCKETS_CLOSED.labels(code=int(code)).inc()
            self._transport.close(code)
