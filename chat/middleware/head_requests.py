"""Drops the bodies of responses to HEAD, on either server.

Django writes a body in pieces and leaves it to the server to drop them. Daphne bypasses the code
with which Twisted drops all but the first piece (daphne/http_protocol.py, `handle_reply`), so the
rest of a body over 64 KiB would be taken for the connection's next response.
"""

from __future__ import annotations

from chat.middleware.asgi import Application, Message, Receive, Scope, Send


class HeadRequests:
    """An ASGI application in front of `inner` that drops the bodies of responses to HEAD."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._inner(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._inner(scope, receive, without_body)
