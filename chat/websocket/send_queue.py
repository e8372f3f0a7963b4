"""The queue of frames that go out over one connection, in order; no caller waits for it.

uvicorn makes the sender wait for a slow network, so frames are queued and one task hands them
over. The `seen` window bounds `events` frames; this queue bounds the rest. Daphne takes every frame
at once: there `chatsite.web.daphne_protocol` has the limit.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from chat.metrics import catalogue as metrics
from chat.protocol import CloseCode

logger = logging.getLogger(__name__)

# Frames that wait while the server's own buffer for this connection is full.
MAX_WAITING_FRAMES = 2_000
MAX_WAITING_CHARACTERS = 4 * 1024 * 1024

Send = Callable[[dict[str, Any]], Awaitable[None]]


class SendQueue:
    """The `chat.hub.sockets.Transport` over an ASGI `send`."""

    def __init__(self, send: Send, on_overflow: Callable[[], object]) -> None:
        """`on_overflow` is called once, on the loop, at the limit; it must close the connection."""
        self._send = send
        self._on_overflow = on_overflow
        self._overflowed = False
        self._waiting: deque[dict[str, Any]] = deque()
        self._waiting_characters = 0
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def send_text(self, text: str) -> None:
        if self._overflowed:
            return
        if (
            len(self._waiting) >= MAX_WAITING_FRAMES
            or self._waiting_characters >= MAX_WAITING_CHARACTERS
        ):
            self._overflowed = True
            self._drop()
            metrics.SLOW_READERS.labels("queue_full").inc()
            # Not at once: the caller may be going through the connections of a room.
            asyncio.get_running_loop().call_soon(self._on_overflow)
        else:
            self._waiting_characters += len(text)
            metrics.FRAMES_SENT.add()
            self._put({"type": "websocket.send", "text": text})

    def close(self, code: int) -> None:
        # Daphne takes a plain int only, no IntEnum.
        self._put({"type": "websocket.close", "code": int(code)})
        self._closing = True

    def gone(self) -> None:
        """The connection has ended: nothing can be sent any more."""
        self._closing = True
        self._drop()

    def _drop(self) -> None:
        self._waiting.clear()
        self._waiting_characters = 0

    def _put(self, message: dict[str, Any]) -> None:
        if self._closing:
            return
        self._waiting.append(message)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="send queue")

    async def _run(self) -> None:
        while self._waiting:
            try:
                message = self._waiting.popleft()
                self._waiting_characters -= len(message.get("text", ""))
                await self._send(message)
            except Exception as error:
                # The connection broke, or the server refuses the frame. Either way the client
                # would miss a frame without noticing, so it has to reconnect.
                logger.info("a connection accepts nothing more: %s", type(error).__name__)
                self._drop()
                if self._closing:
                    return
                metrics.SLOW_READERS.labels("broken").inc()
                self.close(CloseCode.SLOW_READER)
