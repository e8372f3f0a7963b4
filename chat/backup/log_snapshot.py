"""Copies everything that the log server holds, as of one moment, over the network.

The server sends the copy as it would to a replica. It forks, so the copy is from the moment at
which it begins to arrive, and appends go on. No file of the server is touched.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import IO, Any

import redis
from django.conf import settings

from chat.errors import RetryableError

# The server waits for other replicas before it forks (`repl-diskless-sync-delay`, 5 s by default),
# and for any rewrite of its file that is under way. Storing waits meanwhile, so this is short.
BEGIN_SECONDS = 15.0
SILENCE_SECONDS = 60.0
CHUNK_BYTES = 1 << 20
MARK_BYTES = 40


class LogSnapshot:
    """Made by `begin_snapshot`. Holds everything that was acknowledged before."""

    def __init__(self, connection: socket.socket, start: bytes, header: bytes) -> None:
        self._connection = connection
        self._rest = start
        self._header = header

    def copy_to(self, file: IO[bytes]) -> int:
        """Writes the copy, an RDB file, and returns its size in bytes. Call it only once.

        Raises: RetryableError when the connection breaks; then the file is useless.
        """
        try:
            if self._header.startswith(b"EOF:"):
                return self._copy_to_mark(file, self._header.removeprefix(b"EOF:"))
            return self._copy_bytes(file, int(self._header))
        except OSError as error:
            raise RetryableError("The log server stopped sending its copy.") from error

    def _copy_to_mark(self, file: IO[bytes], mark: bytes) -> int:
        size = 0
        held = self._rest  # the last bytes, which may be the mark or part of it
        while not held.endswith(mark):
            file.write(held[:-MARK_BYTES])
            size += len(held[:-MARK_BYTES])
            held = held[-MARK_BYTES:] + self._receive()
        file.write(held[:-MARK_BYTES])
        return size + len(held[:-MARK_BYTES])

    def _copy_bytes(self, file: IO[bytes], size: int) -> int:
        left = size
        part = self._rest
        while True:
            file.write(part[:left])
            left -= len(part[:left])
            if not left:
                return size
            part = self._receive()

    def _receive(self) -> bytes:
        part = self._connection.recv(CHUNK_BYTES)
        if not part:
            raise ConnectionResetError
        return part


@contextlib.contextmanager
def begin_snapshot() -> Iterator[LogSnapshot]:
    """Yields the snapshot as soon as the server has forked.

    Raises: RetryableError when the log is down or gives no copy.
    """
    client = redis.Redis.from_url(
        settings.ENV.log_redis_url,
        socket_connect_timeout=settings.ENV.redis_connect_timeout_seconds,
        socket_timeout=settings.ENV.redis_timeout_seconds,
    )
    connection: Any = client.connection_pool.make_connection()
    try:
        connection.connect()  # with TLS and password, as the URL says
        for words in (("capa", "eof"), ("rdb-only", "1")):
            connection.send_command("REPLCONF", *words)
            with contextlib.suppress(redis.ResponseError):  # older servers know only the first
                connection.read_response()
        connection.send_command("SYNC")
        wire = _socket_of(connection)
        wire.settimeout(BEGIN_SECONDS)
        header, start = _header(wire)
        wire.settimeout(SILENCE_SECONDS)
        yield LogSnapshot(wire, start, header)
    except (redis.RedisError, OSError) as error:
        raise RetryableError(
            f"The log server does not send a copy: {type(error).__name__}."
        ) from error
    finally:
        connection.disconnect()
        client.close()


def _socket_of(connection: Any) -> socket.socket:
    """A copy is no answer that redis-py can read, so it is read past redis-py.

    No upstream issue known. If the attribute is renamed, no backup can be made.
    """
    wire: socket.socket = connection._sock
    return wire


def _header(wire: socket.socket) -> tuple[bytes, bytes]:
    """What follows `$`, and the bytes after that line. Empty lines before it mean: wait."""
    held = b""
    while True:
        held = held.lstrip(b"\r\n")
        line, end, rest = held.partition(b"\r\n")
        if end:
            if not line.startswith(b"$"):
                raise redis.ResponseError(line.decode(errors="replace"))
            return line[1:], rest
        part = wire.recv(CHUNK_BYTES)
        if not part:
            raise ConnectionResetError
        held += part
