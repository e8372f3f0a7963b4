"""People and rooms for integration tests, made the way the product makes them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import AsyncClient

from chat.audit.entries import Actor, Channel
from chat.errors import ClientError
from chat.events import RoomEvent, shard_of
from chat.models import User
from chat.persistence import drain
from chat.queries import history


async def make_user(username: str, **fields: Any) -> User:
    """A person without a usable password; `Api` signs in without one."""
    return await User.objects.acreate(username=username, **{"password": "!", **fields})


def by(user: User, *, staff: bool = False) -> Actor:
    """The person as an actor: with their role in the room, or as staff."""
    return Actor(user_id=user.pk, channel=Channel.ADMIN if staff else Channel.API, staff=staff)


async def log_of(room: int) -> list[RoomEvent]:
    """Every event of a short room, from the log or PostgreSQL."""
    return await history.events_after(room, 0, 500)


async def store(room: int) -> None:
    """Drain the room's shard into PostgreSQL, as the worker would."""
    await sync_to_async(drain.drain)(shard_of(room, settings.ENV.shards))


async def code_of(call: Awaitable[object]) -> str:
    """The code with which `call` is refused."""
    try:
        await call
    except ClientError as refused:
        return refused.code
    raise AssertionError("nothing was refused")


@dataclass(frozen=True)
class Answer:
    """A response of the API; `body` is None where there is none."""

    status: int
    body: Any
    content_type: str
    headers: Mapping[str, str]


class Api:
    """A person, or a stranger, who uses the REST API with a session cookie or a token."""

    def __init__(
        self,
        user: User | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        enforce_csrf_checks: bool = False,
    ) -> None:
        self.client = AsyncClient(enforce_csrf_checks=enforce_csrf_checks)
        self._user = user
        self._headers = dict(headers or {})
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        if self._user is not None:
            await self.client.aforce_login(self._user)
            self._user = None
        headers = self._headers if key is None else {**self._headers, "Idempotency-Key": key}
        content = {"data": json.dumps(body).encode(), "content_type": "application/json"}
        sent = {} if method in {"get", "trace"} else content
        response = await getattr(self.client, method)(f"/api/v1/{path}", **sent, headers=headers)
        return Answer(
            status=response.status_code,
            body=json.loads(response.content) if response.content else None,
            content_type=response.headers.get("Content-Type", ""),
            headers=dict(response.headers),
        )

    async def get(self, path: str) -> Answer:
        return await self.ask("get", path)

    async def post(self, path: str, body: Any = None, key: str | None = None) -> Answer:
        return await self.ask("post", path, body, key)

    async def patch(self, path: str, body: Any) -> Answer:
        return await self.ask("patch", path, body)

    async def delete(self, path: str) -> Answer:
        return await self.ask("delete", path)
