"""The one connection over which a process appends.

A connection is trusted only after the server behind it has been checked over that connection: a
server that restarted may hold an older file or weaker settings, and another connection may lead to
another server. Nothing is ever sent twice: when an answer does not come, the connection is dropped
and the caller answers `unavailable`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from django.conf import settings
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from chat.errors import RetryableError, Unavailable
from chat.room_log import cursors, epochs, keys
from chat.servers import redis_durability, redis_log
from chat.servers.postgres import in_database
from chat.servers.redis_durability import Command

logger = logging.getLogger(__name__)


class _Server(NamedTuple):
    """Which server this is, which run of it, and its replication offset when it was checked.

    `run_id` changes with every start. A server that was demoted and promoted again keeps it and
    gets another `replid`. A server whose memory was put back in time (a VM snapshot) keeps both.
    """

    run_id: str | None
    replid: str | None
    offset: int

    def goes_on_from(self, earlier: _Server | None) -> bool:
        return (
            earlier is not None
            and None not in (self.run_id, self.replid)
            and (self.run_id, self.replid) == (earlier.run_id, earlier.replid)
            and self.offset >= earlier.offset
        )


class LogConnection:
    """Sends commands in one go and reads their answers; connects when it has to."""

    def __init__(self) -> None:
        self._pool = ConnectionPool.from_url(
            settings.ENV.log_redis_url,
            socket_connect_timeout=settings.ENV.redis_connect_timeout_seconds,
            socket_timeout=settings.ENV.redis_timeout_seconds,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        self._connection: AbstractConnection | None = None
        self._checked: _Server | None = None

    async def call(self, commands: Sequence[Command]) -> list[object]:
        """The answers to `commands`, in order; a ResponseError is an answer too.

        Raises: Unavailable when the server did not answer in time, in which case the commands may
        have been carried out all the same; when it may not be used, because it is too weak or
        PostgreSQL cannot be asked; or at once while the log is known to be down.
        """
        try:
            return await redis_log.ask(lambda: self._send(commands))
        except Unavailable:
            raise
        except RetryableError as error:
            raise Unavailable("The log cannot be used at the moment.") from error

    async def _send(self, commands: Sequence[Command]) -> list[object]:
        try:
            if self._connection is not None and await _has_ended(self._connection):
                await self.close()
            if self._connection is None:
                self._connection = await self._connect()
            return await self._exchange(self._connection, commands)
        except BaseException:
            # Unread answers would be taken for those of the next call.
            await self.close()
            raise

    async def close(self) -> None:
        """Drops the connection; the next call makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _connect(self) -> AbstractConnection:
        connection = cast(AbstractConnection, self._pool.make_connection())  # type: ignore[no-untyped-call]
        await connection.connect()  # type: ignore[no-untyped-call]
        try:
            await self._check_server(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _check_server(self, connection: AbstractConnection) -> None:
        questions: list[Command] = [
            ("INFO", "server"),
            ("INFO", "replication"),
            ("INFO", "persistence"),
        ]
        questions += [("CONFIG", "GET", name) for name in redis_durability.REQUIRED]
        answers = await self._exchange(connection, questions)
        fields: dict[str, str] = {}
        for info in answers[:3]:
            fields |= _fields(info)
        problems = redis_durability.weaknesses(_configuration(answers[3:]))
        problems += redis_durability.file_weaknesses(fields)
        if not problems and redis_durability.needs_proof(fields):
            proof = await self._exchange(connection, redis_durability.proof())
            problems = [] if redis_durability.is_proof(proof) else [redis_durability.NOT_WHOLE]
        if problems and not settings.ENV.allow_weak_log:
            weak = redis_durability.WeakLogError(problems)
            logger.error("%s", weak)
            raise RetryableError(str(weak))
        offset = int(fields.get("master_repl_offset", "0"))
        server = _Server(fields.get("run_id"), fields.get("master_replid"), offset)
        if not server.goes_on_from(self._checked):
            await redis_log.drop_idle_connections()
            await self._agree(connection)
        self._checked = server

    async def _agree(self, connection: AbstractConnection) -> None:
        """Makes this server and PostgreSQL agree on each shard's epoch: a new one where the server
        lacks what PostgreSQL's cursor says it once had.

        Raises: RetryableError, OperationalError.
        """
        different = await self._different_shards(connection)
        if not different:
            return
        await in_database(epochs.establish_shards, different)
        if await self._different_shards(connection):
            raise RetryableError("The log's address leads to more than one server.")

    async def _different_shards(self, connection: AbstractConnection) -> list[int]:
        # Read the cursors first: the log can only have advanced since then.
        cursors = await in_database(epochs.all_cursors)
        commands: list[Command] = []
        for cursor in cursors:
            commands.append(("GET", keys.epoch(cursor.shard)))
            commands.append(("XINFO", "STREAM", keys.ingest(cursor.shard)))
        answers = await self._exchange(connection, commands)
        return [
            cursor.shard
            for cursor, epoch, stream in zip(cursors, answers[::2], answers[1::2], strict=True)
            if epochs.differs(cursor, _epoch(epoch), _last_id(stream))
        ]

    @staticmethod
    async def _exchange(
        connection: AbstractConnection, commands: Sequence[Command]
    ) -> list[object]:
        async with asyncio.timeout(settings.ENV.redis_timeout_seconds):
            await connection.send_packed_command(connection.pack_commands(commands))
            answers: list[object] = []
            for _ in commands:
                try:
                    answers.append(await connection.read_response())
                except ResponseError as error:
                    answers.append(error)
            return answers


async def _has_ended(connection: AbstractConnection) -> bool:
    """Whether the server has closed the connection, as it does when it restarts.

    This is asked before anything is sent, so the caller may reconnect and send. A connection that
    ends later shows only by a missing answer, and then the commands may have been carried out.
    """
    # After a reset the reader holds an error instead of EOF, and `can_read` does not look at it:
    # the same gap lets redis-py write to such a connection
    # (https://github.com/redis/redis-py/issues/4287). If the attribute is renamed, every append
    # fails.
    writer = connection._writer
    if writer is None or writer.is_closing():
        return True
    # No answer is due, so anything that can be read is EOF or an error before the server closes.
    return await connection.can_read()


def _fields(info: object) -> dict[str, str]:
    """The lines `name:value` of an INFO answer."""
    if not isinstance(info, bytes):
        return {}
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def _epoch(answer: object) -> int | None:
    """Raises: ResponseError when the server refuses to say."""
    if isinstance(answer, ResponseError):
        raise answer
    return int(answer) if isinstance(answer, bytes) else None


def _last_id(answer: object) -> str:
    """The last id that a stream gave out, from an answer to `XINFO STREAM`.

    Raises: ResponseError when the server refuses to say.
    """
    if isinstance(answer, ResponseError):
        if "no such key" in str(answer):
            return cursors.START_OF_STREAM
        raise answer
    found: Mapping[object, object] = {}
    if isinstance(answer, dict):
        found = answer
    elif isinstance(answer, list):
        found = dict(zip(answer[::2], answer[1::2], strict=True))
    last = found[b"last-generated-id"]
    return last.decode() if isinstance(last, bytes) else str(last)


def _configuration(answers: Sequence[object]) -> dict[str, str]:
    """Names and values in the answers to `CONFIG GET`, in either protocol version."""
    found: dict[str, str] = {}
    for answer in answers:
        if isinstance(answer, dict):
            found |= {key.decode(): value.decode() for key, value in answer.items()}
        elif isinstance(answer, list) and len(answer) == 2:
            found[answer[0].decode()] = answer[1].decode()
    return found
