"""Refuses HTTP requests whose body is too large, before anything reads or keeps it.

Django writes a large body to a temporary file before a view sees the request, so the limit applies
in front of it. Bodies that do not state their length are counted as they arrive.
"""

from __future__ import annotations

from chat.middleware.asgi import (
    API_PREFIX,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    send_problem,
)

MAX_API_BYTES = 64 * 1024
# Forms of the account pages and of the admin.
MAX_FORM_BYTES = 1024 * 1024

PROBLEM = {
    "title": "Too large",
    "status": 413,
    "detail": "The request is too large.",
    "code": "too_large",
}


class _TooLarge(Exception):
    """More bytes arrived than are allowed."""


class BodyLimit:
    """An ASGI application that passes requests on to `inner` as long as they stay small."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        limit = MAX_API_BYTES if scope["path"].startswith(API_PREFIX) else MAX_FORM_BYTES
        if _stated_length(scope) > limit:
            await _refuse(send)
            return
        started = False
        received = 0

        async def counting_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _TooLarge
            return message

        async def noting_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._inner(scope, counting_receive, noting_send)
        except _TooLarge:
            if not started:
                await _refuse(send)


def _stated_length(scope: Scope) -> int:
    """The largest Content-Length of the request; 0 when it states none that is a number."""
    stated = [value for name, value in scope["headers"] if name == b"content-length"]
    # Twenty digits exceed any limit, and any length that a server lets through.
    return max((int(value[:20]) for value in stated if value.isdigit()), default=0)


async def _refuse(send: Send) -> None:
    await send_problem(send, PROBLEM, [(b"connection", b"close")])
