"""What goes out over one connection, in order, without anybody waiting for it.

Daphne takes every frame at once and uvicorn makes the sender wait for a slow network, so frames
are queued and one task hands them over. The `seen` window bounds `events` frames; this bounds
the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from chat import metrics
from chat.protocol import CloseCode

logger = logging.getLogger(__name__)

# Frames that wait while the server's own buffer for this connection is full.
MAX_WAITING_FRAMES = 2_000

Send = Callable[[dict[str, Any]], Awaitable[None]]


class SocketOutbox:
    """The `chat.hub.sockets.Transport` over an ASGI `send`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[dict[str, Any]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def send_text(self, text: str) -> None:
        if len(self._waiting) >= MAX_WAITING_FRAMES:
            self._give_up("queue_full")
        else:
            metrics.FRAMES_SENT.add()
            self._put({"type": "websocket.send", "text": text})

    def close(self, code: int) -> None:
        # Daphne takes a plain int only, no IntEnum.
        self._put({"type": "websocket.close", "code": int(code)})
        self._closing = True

    def gone(self) -> None:
        """The connection has ended: nothing can be sent any more."""
        self._closing = True
        self._waiting.clear()

    def _give_up(self, reason: str) -> None:
        """What waits would come too late; the client comes back and asks for it."""
        self._waiting.clear()
        if not self._closing:
            metrics.SLOW_READERS.labels(reason).inc()
        self.close(CloseCode.SLOW_READER)

    def _put(self, message: dict[str, Any]) -> None:
        if self._closing:
            return
        self._waiting.append(message)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="socket outbox")

    async def _run(self) -> None:
        while self._waiting:
            try:
                await self._send(self._waiting.popleft())
            except Exception as error:
                # The connection broke, or the server refuses the frame. Either way the client
                # would miss something it could not notice, so it has to come back.
                logger.info("a connection takes nothing more: %s", type(error).__name__)
                if self._closing:
                    self._waiting.clear()
                    return
                self._give_up("broken")
