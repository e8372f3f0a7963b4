"""uvicorn's WebSocket protocol, with what Veche needs and uvicorn's settings cannot provide.

uvicorn promises nothing about what is overridden here, and no upstream issue is known. If it
changes, tests/integration/websocket/ fails for this server.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from chat.metrics import catalogue as metrics
from chat.protocol import CloseCode
from chat.websocket.frame_gate import EXTENSION, MAX_FRAGMENTS, new_gate

POLICY_VIOLATION = 1008
# Bytes that may wait in this process for a network that takes nothing. Messages wait in
# `chat.websocket.send_queue` instead, so only pongs ever come near this limit.
MAX_UNSENT_BYTES = 1024 * 1024
# How long the other side may take to answer a close frame, and to receive what is unsent.
CLOSE_SECONDS = 10.0


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """Parses no faster than budget and application allow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gate = new_gate()
        self.fragments = 0
        self.looks_again: asyncio.TimerHandle | None = None

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"][EXTENSION] = {"gate": self.gate}

    def start_keepalive(self) -> None:
        super().start_keepalive()
        self.parse()  # The handshake has been answered.

    def connection_lost(self, exc: Exception | None) -> None:
        self.gate.drop()
        if self.looks_again is not None:
            self.looks_again.cancel()
            self.looks_again = None
        super().connection_lost(exc)

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            self.gate.put(data)
            self.parse()
        else:  # uvicorn hands the request over in one piece; the rest comes from the network.
            super().data_received(data)

    def parse(self) -> None:
        """Parse what may be parsed now, and read from the network if that was all."""
        if self.looks_again is not None:
            return
        wait = self.parse_some()
        if wait is not None:
            self.looks_again = self.loop.call_later(wait, self.look_again)
        if wait is None and self.handshake_complete and not self.is_busy():
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def look_again(self) -> None:
        self.looks_again = None
        self.parse()

    def parse_some(self) -> float | None:
        """The seconds after which to go on; None when nothing that may be parsed is left."""
        if not self.handshake_complete or self.is_busy():
            return None  # `start_keepalive` and `receive` go on
        data, wait = self.gate.take()
        if data and not self.transport.is_closing():
            try:
                super().data_received(data)
            except InvalidState:  # uvicorn answered a message that came just before a close frame
                self.transport.close()
            if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES and self.is_open():
                metrics.SLOW_READERS.labels("unsent").inc()
                metrics.SOCKETS_CLOSED.labels(code=int(CloseCode.SLOW_READER)).inc()
                self.close(CloseCode.SLOW_READER)
        if wait and self.close_sent:
            # Only the answer to our close frame matters. The rest is read all the same: unread
            # bytes would turn the close into a reset, and a client that has not read that far
            # would never learn the code.
            self.gate.drop()
            return None
        return wait

    def is_busy(self) -> bool:
        """Whether the application has yet to take the last message."""
        return self.read_paused and not self.close_sent

    def is_open(self) -> bool:
        """Whether neither side has begun to close."""
        return self.conn.state is State.OPEN and not self.transport.is_closing()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.parse()
        return message

    def handle_text(self, event: Frame) -> None:
        self.fragments = 1
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        self.fragments = 1
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        # websockets limits a message's bytes, but not the number of empty fragments.
        self.fragments += 1
        if self.fragments <= MAX_FRAGMENTS:
            super().handle_cont(event)
        elif self.is_open():
            self.frames.clear()
            self.close(POLICY_VIOLATION, "too many fragments")

    # What goes out

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.close_timer is not None:
            self.limit_end()
            if self.looks_again is not None:  # not before the client has answered
                self.looks_again.cancel()
                self.look_again()

    def close(self, code: int, reason: str = "") -> None:
        """Closes as the application would, and tells the application."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.limit_end()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.abort_if_stuck()

    def limit_end(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(CLOSE_SECONDS, self.end)

    def end(self) -> None:
        self.transport.close()
        self.abort_if_stuck()

    def abort_if_stuck(self) -> None:
        # asyncio would wait forever for a peer that takes nothing more.
        if self.transport.get_write_buffer_size() > 0:
            self.transport.abort()
