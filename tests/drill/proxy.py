"""A TCP proxy between two parts, which can make the link between them as bad as links get.

Delays, throttling, silence, broken connections, and the most important fault: requests get through
but their answers do not, so that the sender does not know what was done.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections.abc import Callable

CHUNK_BYTES = 16 * 1024
# Chunks on their way in one direction of one connection; beyond this the sender has to wait.
MAX_CHUNKS = 256
LINGER = struct.pack("ii", 1, 0)  # makes close() send RST


class _Connection:
    """One connection, by its two ends."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.half_closed = False

    def reset(self) -> None:
        reset(self.client)
        reset(self.server)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    with contextlib.suppress(OSError):
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    writer.transport.abort()


class Link:
    """Listens on `port` and passes on to `target`. Change its fields at any time.

    `delay_seconds`: each way, varying by up to half of it. `bytes_per_second`: each way, per
    connection; 0 means no limit. `silent`: nothing gets through, data under way waits as it would
    in TCP. `replies_silent`: only answers wait. `cut_replies`: the next answer is dropped and its
    connection reset. `refusing`: new connections are reset at once.
    """

    def __init__(self, name: str, target_port: int, port: int = 0) -> None:
        self.name = name
        self.port = port
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._random = random.Random(name)
        self.cut_count = 0
        self.heal()

    def heal(self) -> None:
        """Make the link good again. Data that waited gets through."""
        self.delay_seconds = 0.0
        self.bytes_per_second = 0
        self.silent = False
        self.replies_silent = False
        self.cut_replies = False
        self.refusing = False

    def lead_to(self, target_port: int) -> None:
        """Lead new connections to another server; open connections stay where they are."""
        self._target_port = target_port

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset_all()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def reset_all(self) -> None:
        """Send RST to both ends of every connection."""
        for connection in list(self._connections):
            connection.reset()

    def half_close_all(self) -> None:
        """Make it look as if the server has closed its sending side of every connection."""
        for connection in list(self._connections):
            connection.half_closed = True
            with contextlib.suppress(OSError, RuntimeError):
                connection.client.write_eof()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        except asyncio.CancelledError:
            # Only `stop` cancels. asyncio would report it as an error of the server.
            writer.transport.abort()
        finally:
            self._serving.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._while(lambda: self.silent)
        if self.refusing:
            reset(writer)
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        connection = _Connection(writer, back)
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._direction(reader, back, connection, replies=False))
                group.create_task(self._direction(there, writer, connection, replies=True))
        except* (OSError, RuntimeError):
            connection.reset()
        finally:
            self._connections.discard(connection)
            for end in (writer, back):
                end.close()

    async def _direction(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        connection: _Connection,
        *,
        replies: bool,
    ) -> None:
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_CHUNKS)

        async def write() -> None:
            while True:
                due, chunk = await chunks.get()
                await asyncio.sleep(due - time.monotonic())
                await self._while(lambda: self.silent or (replies and self.replies_silent))
                if replies and self.cut_replies:
                    self.cut_count += 1
                    raise ConnectionResetError
                if replies and connection.half_closed:
                    continue
                if not chunk:
                    if sink.can_write_eof():
                        sink.write_eof()
                    return
                if self.bytes_per_second:
                    await asyncio.sleep(len(chunk) / self.bytes_per_second)
                sink.write(chunk)
                await sink.drain()

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            while True:
                chunk = await source.read(CHUNK_BYTES)
                delay = self.delay_seconds * self._random.uniform(0.5, 1.5)
                await chunks.put((time.monotonic() + delay, chunk))
                if not chunk:
                    return

    @staticmethod
    async def _while(condition: Callable[[], bool]) -> None:
        while condition():  # noqa: ASYNC110 - a handful of connections, for seconds
            await asyncio.sleep(0.02)
