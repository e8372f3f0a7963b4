from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat.protocol import CloseCode
from chat.websocket import send_queue
from chat.websocket.send_queue import SendQueue


class Server:
    """An ASGI server's `send`, which can be slow or broken."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def send(self, message: dict[str, Any]) -> None:
        await self.open.wait()
        if self.error is not None and message["type"] == "websocket.send":
            raise self.error
        self.sent.append(message.get("text", message.get("code")))


def queue_on(server: Server) -> SendQueue:
    queue = SendQueue(server.send, lambda: queue.close(CloseCode.SLOW_READER))
    return queue


async def settled(queue: SendQueue) -> None:
    while queue._task is not None and not queue._task.done():
        await asyncio.wait({queue._task})


async def test_frames_leave_in_order_and_nothing_follows_the_close() -> None:
    server = Server()
    queue = queue_on(server)

    queue.send_text("one")
    queue.send_text("two")
    queue.close(CloseCode.RESTARTING)
    queue.send_text("three")
    await settled(queue)

    assert server.sent == ["one", "two", 1012]
    assert type(server.sent[2]) is int


@pytest.mark.parametrize("limit", ["MAX_WAITING_FRAMES", "MAX_WAITING_CHARACTERS"])
async def test_network_that_takes_nothing_ends_the_connection_at_the_limit(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(send_queue, limit, 10)
    server = Server()
    server.open.clear()
    queue = queue_on(server)

    queue.send_text("in the server's hands")
    await asyncio.sleep(0)
    for number in range(20):
        queue.send_text(str(number))
    await asyncio.sleep(0)  # the limit is told on the next turn of the loop
    server.open.set()
    await settled(queue)

    assert server.sent == ["in the server's hands", 4408]


async def test_frame_that_the_server_refuses_ends_the_connection() -> None:
    server = Server()
    server.error = ValueError("too large")
    queue = queue_on(server)

    queue.send_text("too large")
    queue.send_text("next")
    await settled(queue)

    assert server.sent == [4408]


async def test_connection_that_is_gone_gets_nothing_more() -> None:
    server = Server()
    server.open.clear()
    queue = queue_on(server)

    queue.send_text("one")
    await asyncio.sleep(0)
    queue.send_text("two")
    queue.gone()
    server.open.set()
    await settled(queue)

    assert server.sent == ["one"]
