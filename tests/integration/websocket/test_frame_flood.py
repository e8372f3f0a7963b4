"""What one person can cost a web process with frames that ask the application for nothing.

The budget slows a connection and refuses nothing, so what can be counted on is how long a flood
takes at least, however fast the machine is.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction

from chat.models import User
from chat.websocket.frame_gate import (
    PERSON_UNITS_BURST,
    PERSON_UNITS_PER_SECOND,
    UNITS_BURST,
    UNITS_PER_SECOND,
)
from localstack.raw_sockets import (
    CONTINUE,
    PING,
    PONG,
    TEXT,
    RawSocket,
    frame,
    upgrade,
)
from localstack.web_process import WebProcess
from tests.support.rooms import new_person, new_room
from tests.support.web_process import ORIGIN, ChatClient, session_cookie, web_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

MIB = 1024 * 1024
PATIENCE_SECONDS = 60.0
HELLO = frame(b'{"t":"hello","rooms":{}}')
LAST = frame(b'{"t":"ping"}')
# A confirmation of nothing, which is allowed and has no answer, in 200 pieces.
PIECES = (
    frame(b'{"t":"seen"', TEXT, final=False)
    + frame(b"", CONTINUE, final=False) * 198
    + frame(b',"f":0}', CONTINUE)
)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebProcess]:
    log = tmp_path_factory.mktemp("web") / "server.log"
    with django_db_blocker.unblock(), web_process(log, ASGI_SERVER=request.param) as process:
        yield process


async def headers_of(user: User) -> list[tuple[bytes, bytes]]:
    cookie = await sync_to_async(session_cookie)(user)
    return upgrade(
        (b"Origin", ORIGIN.encode()),
        (b"Sec-WebSocket-Protocol", b"veche.v1"),
        (b"Cookie", cookie.encode()),
    )


async def welcomed(server: WebProcess, user: User) -> RawSocket:
    """A connection of the person that has been welcomed."""
    raw = await RawSocket.connect(server.port)
    assert await raw.handshake(await headers_of(user)) == 101
    await raw.send(HELLO)
    await raw.read_until(TEXT, b'"welcome"')
    return raw


async def seconds_until_answered(raw: RawSocket, flood: bytes) -> float:
    """From the first byte of the flood to the answer to what is sent right behind it."""
    began = time.monotonic()
    sending = asyncio.create_task(raw.send(flood + LAST))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await raw.read_until(TEXT, b'"pong"')
        await sending
    return time.monotonic() - began


@pytest.mark.parametrize(
    "flood",
    [frame(b"", PING) * 2_000, frame(b"", PONG) * 2_000, PIECES * 10],
    ids=["pings", "pongs", "fragments"],
)
async def test_frames_without_a_message_are_taken_no_faster_than_the_budget(
    server: WebProcess, flood: bytes
) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await new_room(anna)
    raw = await welcomed(server, boris)

    async with await ChatClient.hello(server, anna) as a:
        flooding = asyncio.create_task(seconds_until_answered(raw, flood))
        acknowledged = 0
        while not flooding.done():
            acknowledged += (await a.post(room.pk, "Good day"))["t"] == "ok"
            await asyncio.sleep(0.3)  # no faster than anybody may write
    took = await flooding
    await raw.close()

    assert took > (2_000 - UNITS_BURST) / UNITS_PER_SECOND * 0.9
    assert acknowledged > 0


async def test_connections_of_one_person_share_a_budget(server: WebProcess) -> None:
    boris = await new_person("boris")
    sockets = [await welcomed(server, boris) for _ in range(6)]

    took = await asyncio.gather(
        *(seconds_until_answered(raw, frame(b"", PING) * 800) for raw in sockets)
    )
    for raw in sockets:
        await raw.close()

    # Each of them alone would have been taken at once.
    assert max(took) > (6 * 800 - PERSON_UNITS_BURST) / PERSON_UNITS_PER_SECOND * 0.9


async def test_honest_burst_loses_nothing(server: WebProcess) -> None:
    boris = await new_person("boris")
    raw = await welcomed(server, boris)

    burst = (frame(b"x", PING) + LAST) * 150
    await raw.send(burst + frame(b"last", PING))
    async with asyncio.timeout(PATIENCE_SECONDS):
        answers = await raw.read_until(PONG, b"last")
        # Over uvicorn a pong overtakes the application's answers.
        while answers < 300:
            await raw.read_until(TEXT, b'"pong"')
            answers += 1
    await raw.close()

    assert answers == 300


async def test_nothing_is_kept_of_a_flood_that_comes_before_the_handshake_is_answered(
    server: WebProcess,
) -> None:
    boris = await new_person("boris")
    headers = await headers_of(boris)
    locked, release = threading.Event(), threading.Event()

    def hold_the_sessions() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE")
                locked.set()
                release.wait(20)
        finally:
            connection.close()

    before = server.resident_bytes()
    holder = asyncio.create_task(asyncio.to_thread(hold_the_sessions))
    await asyncio.to_thread(locked.wait, 20)
    raw = await RawSocket.connect(server.port)
    raw.ask(headers)
    taken = 0
    try:
        while taken < 64:
            raw.writer.write(frame(b"x" * (64 * 1024)) * 16)
            async with asyncio.timeout(2):
                await raw.writer.drain()
            taken += 1
    except TimeoutError:
        pass  # The server reads no more.
    grown = server.resident_bytes() - before
    release.set()
    await holder
    raw.writer.transport.abort()

    assert taken < 64
    assert grown < 16 * MIB


async def test_compression_is_not_agreed_on(server: WebProcess) -> None:
    boris = await new_person("boris")
    raw = await RawSocket.connect(server.port)
    headers = [
        *await headers_of(boris),
        (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits"),
    ]

    assert await raw.handshake(headers) == 101
    compressed = bytearray(HELLO)
    compressed[0] |= 0x40
    await raw.send(bytes(compressed))

    assert await raw.close_code() == 1002
    await raw.close()


@pytest.mark.parametrize("asgi_server", ["daphne", "uvicorn"])
async def test_pongs_that_nobody_reads_count_as_unsent(tmp_path: Path, asgi_server: str) -> None:
    boris = await new_person("boris")
    context = web_process(
        tmp_path / "server.log",
        module="tests.support.server_without_budget",
        ASGI_SERVER=asgi_server,
    )
    process = await asyncio.to_thread(context.__enter__)
    try:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        await asyncio.to_thread(deaf.connect, ("127.0.0.1", process.port))
        raw = RawSocket(*await asyncio.open_connection(sock=deaf))
        assert await raw.handshake(await headers_of(boris)) == 101
        await raw.send(HELLO)
        await raw.read_until(TEXT, b'"welcome"')
        before = process.resident_bytes()
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]

        pings = frame(b"x" * 125, PING) * 8_000
        closed_as_slow = 'veche_sockets_closed_total{code="4408"} 1.0'
        for _ in range(40):
            await raw.send(pings)
            if closed_as_slow in (shown := await asyncio.to_thread(process.metrics)):
                break
        grown = process.resident_bytes() - before
        raw.writer.transport.abort()
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)

    assert closed_as_slow in shown
    assert 'veche_slow_readers_total{reason="unsent"} 1.0' in shown
    assert grown < 32 * MIB
