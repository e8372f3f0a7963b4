"""The entry point `/ws/chat/`: parses frames, calls one action for each, and renders the answer.

No ORM and no blocking call here. Received frames therefore skip Channels' own dispatch, which
hops to a thread before every event to close old database connections. One process would have a
single thread for all of its sockets.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

from chat import hub as hubs
from chat.accounts import socket_auth
from chat.actions import onboarding
from chat.audit import entries as audit
from chat.errors import ClientError, Unavailable
from chat.hub.core import RECONNECT_AFTER_MS, RECONNECT_SPREAD_MS, Hub
from chat.hub.sockets import HubSocket
from chat.metrics import catalogue as metrics
from chat.protocol import (
    MAX_ID,
    SUBPROTOCOL,
    Bye,
    CloseCode,
    Hello,
    RefusedFrame,
    RoomInfo,
    encode,
    parse_frame,
)
from chat.queries import room_list
from chat.resilience.reading_budget import BUDGET
from chat.tracing.request_ids import id_of_headers
from chat.websocket import welcome
from chat.websocket.connection import Connection
from chat.websocket.frame_gate import gate_of
from chat.websocket.send_queue import SendQueue

logger = logging.getLogger(__name__)

HELLO_TIMEOUT_SECONDS = 10.0
HELLO_WORK_SECONDS = 30.0
MAX_EARLY_FRAMES = 64

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def is_room_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 16 and 1 <= int(text) <= MAX_ID


class ChatConsumer(AsyncConsumer):  # type: ignore[misc]
    """One WebSocket. The hub subscribes to the channel layer for all of them."""

    channel_layer_alias = "none: the hub subscribes"

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.scope = scope
        self.base_send = send
        self._send_queue = SendQueue(send, self._too_slow)
        self._hub: Hub | None = None
        self._socket: HubSocket | None = None
        self._connection: Connection | None = None
        self._early: list[str | bytes] = []  # frames that came before `welcome` was ready
        self._hello_timer: asyncio.TimerHandle | None = None
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            self._forget()

    async def dispatch(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "websocket.receive":
            text = message.get("text")
            self._receive_frame(message["bytes"] if text is None else text)
        elif kind == "websocket.connect":
            await self._connect()
        elif kind == "websocket.disconnect":
            raise StopConsumer

    # Handshake

    async def _connect(self) -> None:
        try:
            identity = await socket_auth.identify(self.scope["headers"], self.scope["subprotocols"])
        except socket_auth.Rejected:
            await self.base_send({"type": "websocket.close"})
            return
        except Unavailable:
            await self._accept()
            self._come_back_later()
            return
        await self._accept()
        if identity is not None:
            # Everything done for this connection inherits these values.
            structlog.contextvars.bind_contextvars(
                request_id=id_of_headers(self.scope["headers"]), user_id=identity.user_id
            )
        if identity is None:
            # Accepted first, because a browser shows no reason for a refused handshake.
            self._send_queue.close(CloseCode.NOT_SIGNED_IN)
            return
        gate = gate_of(self.scope)
        if gate is not None:
            gate.belongs_to(identity.user_id)
        hub = self._hub = hubs.hub()
        if hub.draining:
            self._come_back_later()
            return
        socket = HubSocket(identity, self._send_queue, settings.ENV.unseen_bytes)
        if not hub.admit(socket):
            socket.close(CloseCode.TOO_MANY)
            return
        self._socket = socket
        self._hello_timer = asyncio.get_running_loop().call_later(
            HELLO_TIMEOUT_SECONDS, self._close, CloseCode.PROTOCOL_VIOLATION
        )

    async def _accept(self) -> None:
        await self.base_send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})

    def _come_back_later(self) -> None:
        delay = RECONNECT_AFTER_MS + random.randrange(RECONNECT_SPREAD_MS)
        self._send_queue.send_text(encode(Bye(reconnect_after_ms=delay)))
        if self._socket is not None:
            self._close(CloseCode.RESTARTING)
        else:
            self._send_queue.close(CloseCode.RESTARTING)

    # Frames

    def _receive_frame(self, data: str | bytes) -> None:
        if self._hub is None or self._socket is None or self._socket.closed:
            return
        if self._connection is not None:
            self._connection.receive(data)
            return
        if self._hello_timer is None:  # `welcome` is being prepared
            self._early.append(data)
            if len(self._early) > MAX_EARLY_FRAMES:
                self._close(CloseCode.TOO_MANY)
            return
        try:
            frame = parse_frame(data)
        except RefusedFrame:
            frame = None
        if not isinstance(frame, Hello):
            metrics.FRAMES_RECEIVED.add(label="refused")
            self._close(CloseCode.PROTOCOL_VIOLATION)
            return
        metrics.FRAMES_RECEIVED.add(label="hello")
        self._hello_timer.cancel()
        self._hello_timer = None
        self._hub.spawn(self._welcome(self._hub, self._socket, frame), "welcome")

    async def _welcome(self, hub: Hub, socket: HubSocket, hello: Hello) -> None:
        try:
            async with asyncio.timeout(HELLO_WORK_SECONDS):
                await BUDGET.afford(socket.user_id)
                rooms = await self._rooms(socket.user_id, hello)
        except (ClientError, TimeoutError):
            self._come_back_later()
            return
        except BaseException:
            self._close(CloseCode.RESTARTING)
            raise
        if socket.closed:
            return
        for frame, part in welcome.frames(socket.identity, rooms):
            socket.send(frame)
            await hub.enter_in_slices(socket, part, hello.rooms)
        hub.entered(socket)
        self._connection = Connection(hub, socket, audit.address_of_handshake(self.scope))
        # As if they came now: nothing more is done for a connection that has been closed meanwhile.
        for data in self._early:
            self._receive_frame(data)
        self._early.clear()

    @staticmethod
    async def _rooms(user_id: int, hello: Hello) -> list[RoomInfo]:
        """The rooms that the person sees, and any others of theirs that the client resumes."""
        rooms = await room_list.rooms_of(user_id)
        if not rooms:
            # For people who signed up while the log was down; people who left are not brought back.
            await onboarding.land_in_general(user_id)
            rooms = await room_list.rooms_of(user_id)
        seen = {str(room.id) for room in rooms}
        resumed = {int(name) for name in hello.rooms.keys() - seen if is_room_id(name)}
        return rooms + await room_list.some_of(user_id, resumed) if resumed else rooms

    def _close(self, code: CloseCode) -> None:
        if self._socket is not None and self._hub is not None:
            self._hub.close(self._socket, code)

    def _too_slow(self) -> None:
        if self._socket is not None:
            self._close(CloseCode.SLOW_READER)
        else:
            self._send_queue.close(CloseCode.SLOW_READER)

    def _forget(self) -> None:
        """Clean up after a connection, however it ended. Its requests still run to their end."""
        self._send_queue.gone()
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        if self._socket is not None and self._hub is not None:
            self._socket.closed = True
            self._hub.dismiss(self._socket)
