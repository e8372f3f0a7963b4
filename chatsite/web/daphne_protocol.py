"""Daphne's WebSocket protocol, with what Veche needs and Daphne's settings cannot provide.

Daphne and autobahn promise nothing about what is overridden here. If it changes,
tests/integration/websocket/ fails for this server.
"""

from __future__ import annotations

from typing import Any

from autobahn.websocket import protocol as autobahn_protocol
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor as _reactor

from chat.metrics import catalogue as metrics
from chat.protocol import CloseCode
from chat.websocket.frame_gate import MAX_FRAGMENTS, new_gate

# autobahn pretty-prints all its settings for each connection, for a debug line that nobody sees.
# That was an eighth of a connection's cost when 2,000 came at once. No upstream issue known. If
# autobahn no longer formats by this name, connections cost more, and nothing else changes.
vars(autobahn_protocol)["pformat"] = repr

reactor: Any = _reactor  # a module that Twisted replaces with an object

# When this many messages wait for the application, no more are parsed. Daphne's queue has no limit.
MAX_WAITING_MESSAGES = 64
LOOK_AGAIN_SECONDS = 0.02
POLICY_VIOLATION = 1008
# Bytes that may wait in this process for a network that takes nothing: Daphne never makes the
# application wait. The `seen` window limits honest readers, this limits all others; an answer to
# `history` is at most 512 KiB.
MAX_UNSENT_BYTES = 4 * 1024 * 1024
# How long the other side may take to answer a close frame. autobahn's own one second is too short
# for a client that is busy sending: it would lose the code together with the connection.
CLOSE_SECONDS = 5


class BoundedWebSocketProtocol(WebSocketProtocol):  # type: ignore[misc]
    """Parses no faster than budget and application allow, and sends what the application wants."""

    maxMessagePayloadSize: int  # noqa: N815
    closeHandshakeTimeout = CLOSE_SECONDS  # noqa: N815
    fragments = 0
    requested = False
    reading = True
    looks_again: Any = None

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        # Say why (1002, 1007, 1009) instead of dropping the connection.
        self.failByDrop = False
        self.gate = new_gate()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self.gate.drop()
        if self.looks_again is not None:
            self.looks_again.cancel()
            self.looks_again = None
        super().connectionLost(reason)

    def onConnect(self, request: Any) -> Any:  # noqa: N802
        # Daphne decodes these as ASCII, and answers an exception with 500. Without a subprotocol
        # the consumer refuses the handshake.
        request.headers = {
            name: value
            for name, value in request.headers.items()
            if name.isascii() and (name != "sec-websocket-protocol" or value.isascii())
        }
        return super().onConnect(request)

    def onOpen(self) -> None:  # noqa: N802
        super().onOpen()
        self.parse()

    # What comes in

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.requested:
            self.gate.put(data)
            self.parse()
        else:  # Daphne hands the request over in one piece; the rest comes from the network.
            self.requested = True
            super().dataReceived(data)

    def parse(self) -> None:
        """Parse what may be parsed now, and read from the network if that was all."""
        if self.looks_again is not None:
            return
        wait = self.parse_some()
        if wait is not None:
            self.looks_again = reactor.callLater(wait, self.look_again)
        reads = wait is None and self.state != self.STATE_CONNECTING
        if reads != self.reading and self.state != self.STATE_CLOSED:
            self.reading = reads
            if reads:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    def look_again(self) -> None:
        self.looks_again = None
        self.parse()

    def parse_some(self) -> float | None:
        """The seconds after which to go on; None when nothing that may be parsed is left."""
        if self.state == self.STATE_CONNECTING:
            return None  # `onOpen` goes on
        if self.state == self.STATE_OPEN and (
            self.application_queue.qsize() > MAX_WAITING_MESSAGES
        ):
            return LOOK_AGAIN_SECONDS
        data, wait = self.gate.take()
        if data and self.state != self.STATE_CLOSED:
            super().dataReceived(data)
            self.close_if_too_much_is_unsent()
        if wait and self.state != self.STATE_OPEN:
            # Only the answer to our close frame matters. The rest is read all the same: unread
            # bytes would turn the close into a reset, and a client that has not read that far
            # would never learn the code.
            self.gate.drop()
            return None
        return wait

    def onMessageBegin(self, isBinary: bool) -> None:  # noqa: N802, N803
        self.fragments = 0
        super().onMessageBegin(isBinary)

    def onMessageFrameBegin(self, length: int) -> None:  # noqa: N802
        # autobahn limits a message's bytes, but not the number of empty fragments it keeps.
        self.fragments += 1
        if self.fragments > MAX_FRAGMENTS and not self.failedByMe:
            # What autobahn itself calls for its other limits. No upstream issue known. Without it,
            # this line raises, and the connection ends without a code.
            self._fail_connection(POLICY_VIOLATION, "too many fragments")
        super().onMessageFrameBegin(length)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        if self.state == self.STATE_OPEN:  # nobody reads messages after our close frame
            super().onMessage(payload, isBinary)

    # What goes out

    def sendMessage(self, *args: Any, **kwargs: Any) -> None:  # noqa: N802
        # autobahn applies the limit for incoming messages to outgoing ones as well.
        limit: int = self.maxMessagePayloadSize
        self.maxMessagePayloadSize = 0
        try:
            super().sendMessage(*args, **kwargs)
        finally:
            self.maxMessagePayloadSize = limit
        self.close_if_too_much_is_unsent()

    def close_if_too_much_is_unsent(self) -> None:
        """Called after messages, and after parsing, which autobahn may have answered with pongs."""
        if self.unsent_bytes() > MAX_UNSENT_BYTES and self.state == self.STATE_OPEN:
            # autobahn drops the connection when the close frame is not answered.
            metrics.SLOW_READERS.labels("unsent").inc()
            metrics.SOCKETS_CLOSED.labels(code=int(CloseCode.SLOW_READER)).inc()
            self.serverClose(CloseCode.SLOW_READER)

    def unsent_bytes(self) -> int:
        """Bytes handed to the transport but not yet to the operating system.

        Twisted has no public way to ask. Its producers' way of pausing an application would need
        Daphne's help (https://github.com/django/daphne/issues/170). If the buffers are renamed,
        the first message to a client fails, and so do the tests of both servers.
        """
        transport = self.transport
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802
        # autobahn lets applications close only with 1000, or 3000 and above, not with 1012.
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=1000 if code is None else int(code))
            if self.looks_again is not None:  # not before the client has answered
                self.looks_again.cancel()
                self.look_again()
