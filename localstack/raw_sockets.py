"""A hand-made WebSocket client, for input that no well-behaved client sends."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Sequence

ANSWER_SECONDS = 15.0
TEXT, BINARY, CLOSE, PING, PONG, CONTINUE = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0

Header = tuple[bytes, bytes]


def frame(payload: bytes, opcode: int = TEXT, *, final: bool = True) -> bytes:
    """A masked client frame."""
    first = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        size = bytes([0x80 | len(payload)])
    elif len(payload) < 65_536:
        size = b"\xfe" + struct.pack("!H", len(payload))
    else:
        size = b"\xff" + struct.pack("!Q", len(payload))
    return first + size + b"\x00\x00\x00\x00" + payload  # a mask of zeros changes nothing


def upgrade(*headers: Header) -> list[Header]:
    """The headers of a handshake, followed by `headers`."""
    return [
        (b"Host", b"testserver"),
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Key", base64.b64encode(os.urandom(16))),
        (b"Sec-WebSocket-Version", b"13"),
        *headers,
    ]


class RawSocket:
    """A TCP connection to the web process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> RawSocket:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def ask(self, headers: Sequence[Header], path: bytes = b"/ws/chat/") -> None:
        """Send the handshake."""
        lines = [b"GET " + path + b" HTTP/1.1", *(name + b": " + value for name, value in headers)]
        self.writer.write(b"\r\n".join(lines) + b"\r\n\r\n")

    async def handshake(self, headers: Sequence[Header], path: bytes = b"/ws/chat/") -> int:
        """The HTTP status of the answer; 0 when the connection ends without one."""
        try:
            self.ask(headers, path)
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0
        return int(answer.split()[1])

    async def send(self, data: bytes) -> None:
        """Send `data`; errors because the server has closed are ignored."""
        try:
            self.writer.write(data)
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.writer.drain()
        except ConnectionError:
            pass

    async def read_until(self, opcode: int, payload: bytes) -> int:
        """How many frames came before the one with this opcode and payload."""
        count = 0
        while True:
            kind, data = await self._frame()
            if kind == opcode and payload in data:
                return count
            count += 1

    async def close_code(self) -> int:
        """The code of the server's close frame; 1006 when the connection ends without one."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    opcode, payload = await self._frame()
                    if opcode == CLOSE:
                        return int(struct.unpack("!H", payload[:2])[0]) if payload else 1005
        except (asyncio.IncompleteReadError, ConnectionError):
            return 1006

    async def _frame(self) -> tuple[int, bytes]:
        first, size = await self._reader.readexactly(2)
        length = size & 0x7F
        if length == 126:
            [length] = struct.unpack("!H", await self._reader.readexactly(2))
        elif length == 127:
            [length] = struct.unpack("!Q", await self._reader.readexactly(8))
        return first & 0x0F, await self._reader.readexactly(length)

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass
