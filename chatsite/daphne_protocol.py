"""Daphne's WebSocket protocol with what Veche needs and Daphne's settings cannot give."""

from __future__ import annotations

from typing import Any

from autobahn.websocket import protocol as autobahn_protocol
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor as _reactor

from chat import metrics

# autobahn pretty-prints all its settings for each connection, for a debug line that nobody sees: an
# eighth of what a connection cost when 2,000 came at once.
vars(autobahn_protocol)["pformat"] = repr

reactor: Any = _reactor  # a module that Twisted replaces by an object

# Frames that wait for the application before no more are read from the network. Daphne's own
# queue has no limit.
MAX_WAITING_FRAMES = 64
LOOK_AGAIN_SECONDS = 0.02
# A message in more pieces than this is an attack: ordinary clients send one.
MAX_FRAGMENTS = 256
POLICY_VIOLATION = 1008
# What may wait in this process for a network that takes nothing: Daphne never makes the
# application wait. The `seen` window is the limit for a reader who tells the truth, this one is
# for all others; an answer to `history` is 512 KiB at most.
MAX_UNSENT_BYTES = 4 * 1024 * 1024
SLOW_READER = 4408


class BoundedWebSocketProtocol(WebSocketProtocol):  # type: ignore[misc]
    """Reads no faster than the application, and lets it send what it wants."""

    maxMessagePayloadSize: int  # noqa: N815
    fragments = 0
    reading = True

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        # Say why (1002, 1007, 1009) instead of dropping the connection.
        self.failByDrop = False

    def onConnect(self, request: Any) -> Any:  # noqa: N802
        # Daphne reads these as ASCII, and answers an exception with 500. Without a subprotocol
        # the consumer refuses the handshake.
        request.headers = {
            name: value
            for name, value in request.headers.items()
            if name.isascii() and (name != "sec-websocket-protocol" or value.isascii())
        }
        return super().onConnect(request)

    def onMessageBegin(self, isBinary: bool) -> None:  # noqa: N802, N803
        self.fragments = 0
        super().onMessageBegin(isBinary)

    def onMessageFrameBegin(self, length: int) -> None:  # noqa: N802
        # autobahn limits a message's bytes, but not the number of empty pieces it keeps.
        self.fragments += 1
        if self.fragments > MAX_FRAGMENTS and not self.failedByMe:
            self._fail_connection(POLICY_VIOLATION, "too many fragments")
        super().onMessageFrameBegin(length)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        if self.state != self.STATE_OPEN:
            return  # what comes after our close frame has no reader
        super().onMessage(payload, isBinary)
        if self.reading and self.application_queue.qsize() > MAX_WAITING_FRAMES:
            self.reading = False
            self.transport.pauseProducing()
            reactor.callLater(LOOK_AGAIN_SECONDS, self.read_on)

    def read_on(self) -> None:
        if self.reading or self.state == self.STATE_CLOSED:
            return
        if self.state == self.STATE_OPEN and (
            self.application_queue.qsize() > MAX_WAITING_FRAMES // 2
        ):
            reactor.callLater(LOOK_AGAIN_SECONDS, self.read_on)
        else:
            self.reading = True
            self.transport.resumeProducing()

    def sendMessage(self, *args: Any, **kwargs: Any) -> None:  # noqa: N802
        # autobahn holds the limit for incoming messages against outgoing ones as well.
        limit: int = self.maxMessagePayloadSize
        self.maxMessagePayloadSize = 0
        try:
            super().sendMessage(*args, **kwargs)
        finally:
            self.maxMessagePayloadSize = limit
        if self.unsent_bytes() > MAX_UNSENT_BYTES and self.state == self.STATE_OPEN:
            # autobahn drops the connection when the close frame is not answered in a second.
            metrics.SOCKETS_CLOSED.labels(code=SLOW_READER).inc()
            self.serverClose(SLOW_READER)

    def unsent_bytes(self) -> int:
        """What was handed to the transport and not yet to the operating system."""
        transport = self.transport
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802
        # autobahn lets applications close with 1000 and from 3000 only, not with 1012.
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=1000 if code is None else int(code))
            # Bytes that nobody reads would turn the end into a reset, and the client, which has
            # not read that far, would never learn the code.
            self.read_on()
