"""A link does to its connections what it is told to, and is good again afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.drill.proxy import Link

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that answers each line with itself and counts the lines that reached it."""

    def __init__(self) -> None:
        self.lines = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.lines += 1
            writer.write(line)
        writer.close()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[Link]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    link = Link("test", server.sockets[0].getsockname()[1])
    await link.start()
    yield link
    await link.stop()
    server.close()


async def connect(link: Link) -> Ends:
    return await asyncio.open_connection("127.0.0.1", link.port)


async def say(ends: Ends, text: bytes = b"hello\n", patience_seconds: float = 20) -> bytes:
    """Send `text`; returns the answer. Raises: TimeoutError when none comes in time.

    The patience is for a busy machine.
    """
    reader, writer = ends
    writer.write(text)
    async with asyncio.timeout(patience_seconds):
        return await reader.readline()


async def test_good_link_passes_on_what_is_said(link: Link, echo: Echo) -> None:
    assert await say(await connect(link)) == b"hello\n"
    assert echo.lines == 1


async def test_large_messages_come_through_whole(link: Link) -> None:
    reader, writer = ends = await connect(link)
    text = b"x" * 60_000 + b"\n"

    assert await say(ends, text) == text
    writer.close()
    assert await reader.read() == b""


async def test_delay_holds_each_way_up(link: Link) -> None:
    ends = await connect(link)
    link.delay_seconds = 0.2

    began = time.monotonic()
    await say(ends)

    assert time.monotonic() - began >= 0.2


async def test_throttled_link_passes_so_many_bytes_a_second(link: Link) -> None:
    ends = await connect(link)
    link.bytes_per_second = 10_000

    began = time.monotonic()
    await say(ends, b"x" * 999 + b"\n")

    assert time.monotonic() - began >= 0.2


async def test_silent_link_loses_nothing_and_speaks_again(link: Link, echo: Echo) -> None:
    ends = await connect(link)
    link.silent = True
    with pytest.raises(TimeoutError):
        await say(ends, patience_seconds=0.5)
    assert echo.lines == 0

    link.heal()

    assert await ends[0].readline() == b"hello\n"


async def test_held_back_answers_mean_that_requests_were_carried_out(
    link: Link, echo: Echo
) -> None:
    ends = await connect(link)
    link.replies_silent = True
    with pytest.raises(TimeoutError):
        await say(ends, patience_seconds=0.5)
    assert echo.lines == 1

    link.heal()

    assert await ends[0].readline() == b"hello\n"


async def test_cut_answer_is_lost_and_the_request_was_carried_out(link: Link, echo: Echo) -> None:
    ends = await connect(link)
    link.cut_replies = True

    with pytest.raises(ConnectionResetError):
        await say(ends)

    assert echo.lines == 1
    assert link.cut_count == 1
    link.heal()
    assert await say(await connect(link)) == b"hello\n"


async def test_reset_breaks_every_connection(link: Link) -> None:
    several = [await connect(link) for _ in range(3)]
    for ends in several:
        await say(ends)

    link.reset_all()

    for ends in several:
        with pytest.raises(ConnectionResetError):
            await say(ends)


async def test_refusing_link_ends_new_connections(link: Link, echo: Echo) -> None:
    link.refusing = True

    ends = await connect(link)
    with pytest.raises(ConnectionError):
        await say(ends)

    assert echo.lines == 0


async def test_half_closed_connection_says_nothing_more_and_still_listens(
    link: Link, echo: Echo
) -> None:
    ends = await connect(link)
    await say(ends)

    link.half_close_all()

    assert await say(ends) == b""
    async with asyncio.timeout(1):
        while echo.lines < 2:  # noqa: ASYNC110 - the server is in this loop
            await asyncio.sleep(0.01)
