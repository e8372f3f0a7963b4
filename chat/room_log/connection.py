"""The one connection over which a process appends.

A connection is trusted only after the server behind it was checked: a server that restarted may
hold an older file or weaker settings. Nothing is ever sent twice; when an answer does not come
the connection is dropped and the caller says `unavailable`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

from django.conf import settings
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from chat.database import in_database
from chat.errors import RetryableError, Unavailable
from chat.room_log import clients, durability, epochs

logger = logging.getLogger(__name__)

Command = Sequence[str | bytes | int]


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
        self._checked_run_id: str | None = None

    async def call(self, commands: Sequence[Command]) -> list[object]:
        """The answers to `commands`, in order; a ResponseError is an answer too.

        Raises: Unavailable when the server did not answer in time, in which case the commands may
        have been carried out all the same; when it may not be used, as it is too weak or PostgreSQL
        cannot be asked; or at once while the log is known to be away.
        """
        try:
            return await clients.ask(lambda: self._send(commands))
        except Unavailable:
            raise
        except RetryableError as error:
            raise Unavailable("The log cannot be used at the moment.") from error

    async def _send(self, commands: Sequence[Command]) -> list[object]:
        try:
            if self._connection is None:
                self._connection = await self._connect()
            return await self._exchange(self._connection, commands)
        except BaseException:
            # Answers that nobody reads would be taken for those of the next call.
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
            [info] = await self._exchange(connection, [("INFO", "server")])
            run_id = _field(info, "run_id")
            if run_id is None or run_id != self._checked_run_id:
                await self._check_server(connection)
                self._checked_run_id = run_id
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _check_server(self, connection: AbstractConnection) -> None:
        answers = await self._exchange(
            connection, [("CONFIG", "GET", name) for name in durability.REQUIRED]
        )
        problems = durability.weaknesses(_configuration(answers))
        if problems and not settings.ENV.allow_weak_log:
            weak = durability.WeakLogError(problems)
            logger.error("%s", weak)
            raise RetryableError(str(weak))
        await in_database(epochs.establish_all)

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


def _field(info: object, name: str) -> str | None:
    """A line `name:value` of an INFO answer."""
    if isinstance(info, bytes):
        for line in info.decode().splitlines():
            if line.startswith(f"{name}:"):
                return line.partition(":")[2]
    return None


def _configuration(answers: Sequence[object]) -> dict[str, str]:
    """Names and values in the answers to `CONFIG GET`, whichever protocol version gave them."""
    found: dict[str, str] = {}
    for answer in answers:
        if isinstance(answer, dict):
            found |= {key.decode(): value.decode() for key, value in answer.items()}
        elif isinstance(answer, list) and len(answer) == 2:
            found[answer[0].decode()] = answer[1].decode()
    return found
