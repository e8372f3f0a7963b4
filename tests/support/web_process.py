"""A real web process on a free port, and a WebSocket client that speaks the protocol."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.test import Client
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import localstack.web_process
from chat.models import User
from localstack.web_process import WebProcess
from tests.support.rooms import new_key

ORIGIN = "http://testserver"
ANSWER_SECONDS = 10.0

Frame = dict[str, Any]


def test_database_url() -> str:
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


def owner_url_of_test_database() -> str:
    given = connection.settings_dict
    place = f"{given['HOST']}:{given['PORT']}/{given['NAME']}"
    return f"postgresql://{given['USER']}:{given['PASSWORD']}@{place}"


test_database_url.__test__ = False  # type: ignore[attr-defined]


def web_process(
    log: Path, *, module: str = "chatsite.server", **environment: str
) -> AbstractContextManager[WebProcess]:
    """A web process with this test process's servers and database."""
    variables = {"DATABASE_URL": test_database_url(), **environment}
    return localstack.web_process.web_process(log, module=module, **variables)


def session_cookie(user: User) -> str:
    """The Cookie header of a signed-in person."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


class ChatClient:
    """One connection of a person. Frames are kept in order of arrival until asked for."""

    def __init__(self, connection: ClientConnection, *, confirm: bool = True) -> None:
        self.connection = connection
        self.confirm = confirm
        self.frames: list[Frame] = []
        self.events: dict[int, list[Frame]] = {}
        self._next_id = 0

    @classmethod
    async def open(
        cls,
        server: WebProcess,
        user: User | None = None,
        *,
        origin: str | None = ORIGIN,
        subprotocols: tuple[str, ...] = ("veche.v1",),
        headers: Mapping[str, str] | None = None,
        confirm: bool = True,
    ) -> ChatClient:
        """A connection that has not sent `hello`. Raises what `websockets` raises."""
        given = dict(headers or {})
        if user is not None:
            given["Cookie"] = await sync_to_async(session_cookie)(user)
        connection = await connect(
            server.url,
            origin=origin,  # type: ignore[arg-type]
            subprotocols=list(subprotocols),  # type: ignore[arg-type]
            additional_headers=given,
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=ANSWER_SECONDS,
        )
        return cls(connection, confirm=confirm)

    @classmethod
    async def hello(
        cls,
        server: WebProcess,
        user: User | None,
        rooms: Mapping[int, tuple[int, int]] | None = None,
        **options: Any,
    ) -> ChatClient:
        """A connection that was welcomed. `rooms`: room → (epoch, seq) to resume from."""
        client = await cls.open(server, user, **options)
        await client.send(
            t="hello",
            rooms={
                str(room): {"epoch": epoch, "seq": seq}
                for room, (epoch, seq) in (rooms or {}).items()
            },
        )
        client.welcome = await client.receive("welcome")
        return client

    welcome: Frame

    async def __aenter__(self) -> ChatClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.connection.close()

    async def send(self, **frame: Any) -> None:
        await self.connection.send(json.dumps(frame, ensure_ascii=False))

    async def ask(self, **frame: Any) -> Frame:
        """Send a frame with a new id; returns the answer to it."""
        self._next_id += 1
        name = f"c{self._next_id}"
        await self.send(id=name, **frame)
        return await self.answer_to(name)

    async def post(self, room: int, body: str, key: str | None = None, **more: Any) -> Frame:
        return await self.ask(t="send", room=room, key=key or new_key(), body=body, **more)

    async def answer_to(self, name: str) -> Frame:
        return await self.wait_for(lambda frame: frame.get("id") == name)

    async def receive(self, kind: str, **fields: Any) -> Frame:
        """The next frame of that type with those fields; earlier frames are kept."""
        wanted = {"t": kind, **fields}
        return await self.wait_for(lambda frame: wanted.items() <= frame.items())

    async def wait_for(self, is_wanted: Any) -> Frame:
        for index, frame in enumerate(self.frames):
            if is_wanted(frame):
                return self.frames.pop(index)
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                frame = await self._next()
                if is_wanted(frame):
                    return frame
                self.frames.append(frame)

    async def events_until(self, room: int, seq: int) -> list[Frame]:
        """All events of the room so far, after the one at `seq` has come."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while not any(event["seq"] >= seq for event in self.events.get(room, ())):
                self.frames.append(await self._next())
        return self.events[room]

    async def close_code(self) -> int:
        """The code with which the server ends the connection; 1006 when it gave none."""
        async with asyncio.timeout(ANSWER_SECONDS * 2):
            while True:
                try:
                    self.frames.append(await self._next())
                except ConnectionClosed as closed:
                    return 1006 if closed.rcvd is None else int(closed.rcvd.code)

    async def pong(self) -> Frame:
        """Check that the server answers a ping; everything it sent before has then come."""
        await self.send(t="ping")
        return await self.receive("pong")

    async def _next(self) -> Frame:
        frame: Frame = json.loads(await self.connection.recv())
        if frame["t"] == "events":
            self.events.setdefault(frame["room"], []).extend(frame["events"])
            if self.confirm:
                await self.send(t="seen", f=frame["f"])
        return frame
