"""Large request bodies are refused before anything keeps them."""

from __future__ import annotations

from typing import Any

import pytest

from chat.middleware.asgi import Message, Receive, Scope, Send
from chat.middleware.body_limit import MAX_API_BYTES, BodyLimit


class Echo:
    """An application that reads the whole body and answers with its length."""

    def __init__(self) -> None:
        self.read = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            self.read += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(self.read).encode()})


async def status_of(
    chunks: list[bytes], headers: list[tuple[bytes, bytes]], path: str = "/api/v1/rooms"
) -> tuple[int, int]:
    """The status of the answer, and how many bytes the application saw."""
    inner = Echo()
    sent: list[Message] = []
    waiting = list(chunks)

    async def receive() -> Message:
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "path": path, "headers": headers}
    await BodyLimit(inner)(scope, receive, send)
    return sent[0]["status"], inner.read


@pytest.mark.parametrize("size", [0, 1, MAX_API_BYTES])
async def test_body_within_the_limit_passes(size: int) -> None:
    headers = [(b"content-length", str(size).encode())]

    assert await status_of([b"a" * size], headers) == (200, size)


async def test_stated_length_over_the_limit_is_refused_unread() -> None:
    for stated in (str(MAX_API_BYTES + 1), "9" * 5_000):
        assert await status_of([b"a"], [(b"content-length", stated.encode())]) == (413, 0)


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"5")], [(b"content-length", b"x")]])
async def test_body_that_hides_its_length_is_refused_once_too_much_came(
    headers: list[tuple[bytes, bytes]],
) -> None:
    chunks = [b"a" * 10_000] * 100

    status, read = await status_of(chunks, headers)

    assert status == 413
    assert read <= MAX_API_BYTES


async def test_pages_may_send_larger_forms_than_the_api() -> None:
    assert await status_of([b"a" * 200_000], [], "/accounts/signup/") == (200, 200_000)
