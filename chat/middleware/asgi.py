"""For the ASGI applications in front of Django: their types, and how they refuse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

API_PREFIX = "/api/"


async def send_problem(
    send: Send,
    problem: dict[str, Any],
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answers with a problem document (RFC 9457), like `chat.api.answers` behind Django."""
    body = msgspec.json.encode({"type": f"urn:veche:problem:{problem['code']}", **problem})
    await send(
        {
            "type": "http.response.start",
            "status": problem["status"],
            "headers": [(b"content-type", b"application/problem+json"), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})
