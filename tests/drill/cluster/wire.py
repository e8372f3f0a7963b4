"""The WebSocket of a light client: the protocol of the library `websockets`, without its tasks.

Thousands of these share a core with the measured servers, so a connection has no task, queue or
timer of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol
from websockets.uri import WebSocketURI

_decode = msgspec.json.Decoder().decode


class Wire(asyncio.Protocol):
    """Opens with `hello`, which goes out with the last byte of the handshake.

    `on_frame` gets each decoded frame; `on_end` is called once, with the close code or None.
    """

    def __init__(
        self,
        port: int,
        cookie: str,
        hello: bytes,
        on_frame: Callable[[dict[str, Any]], None],
        on_end: Callable[[int | None], None],
    ) -> None:
        self._protocol = ClientProtocol(
            WebSocketURI(False, "127.0.0.1", port, "/ws/chat/", "", None, None),
            origin=Origin(f"http://127.0.0.1:{port}"),
            subprotocols=[Subprotocol("veche.v1")],
            max_size=None,
        )
        self._cookie = cookie
        self._hello = hello
        self._on_frame = on_frame
        self._on_end = on_end
        self._opened = False
        self._transport: asyncio.Transport
        self._code: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        request = self._protocol.connect()
        request.headers["Cookie"] = self._cookie
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._take_events()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._take_events()

    def connection_lost(self, error: Exception | None) -> None:
        self._on_end(self._code)

    def send(self, text: bytes) -> None:
        """Send a frame, unless the connection has ended."""
        if self._protocol.state is State.OPEN and not self._transport.is_closing():
            self._protocol.send_text(text)
            self._flush()

    def abort(self) -> None:
        """Cut the connection without a closing handshake."""
        self._transport.abort()

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.TEXT:
                    self._on_frame(_decode(event.data))
                elif event.opcode is Opcode.CLOSE:
                    received = self._protocol.close_rcvd
                    self._code = None if received is None else received.code
            elif not self._opened:
                self._opened = True
                if self._protocol.handshake_exc is None:
                    self._protocol.send_text(self._hello)
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
        if self._protocol.handshake_exc is not None:
            self._transport.close()
