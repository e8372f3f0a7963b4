"""Retries a task's dead letter: sends the task again, which then reports how it went.

The dead letter stays claimed meanwhile. If no report comes, the claim ends and the dead letter is
due again with one attempt more, so a task that kills its worker is parked in the end.
"""

from __future__ import annotations

from typing import Any

import msgspec
from celery import current_app

from chat.dead_letters import retrying, store
from chat.dead_letters.letters import DeadLetter
from chat.dead_letters.retrying import Result
from chat.dead_letters.sources import Retried, Unretryable

HEADER = "veche_dead_letter"


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task and its arguments, which are ids and never anybody's words."""

    task: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}


class RetryToken(msgspec.Struct, frozen=True):
    """Travels with the task: which dead letter it retries, and the proof of the claim."""

    letter: str
    token: str
    attempts: int

    def report_done(self) -> None:
        """The task succeeded; the dead letter is removed. Raises: redis.RedisError."""
        retrying.report_done(self.letter)

    def report_failed(self, error: BaseException) -> Result:
        """The task failed; the dead letter is due later, or parked. Raises: redis.RedisError."""
        return retrying.report_failed(self.letter, self.token, self.attempts, error)


def retry(letter: DeadLetter, token: str) -> Retried:
    """Sends the dead letter's task.

    Raises: Unretryable when the payload is not a call; kombu's OperationalError.
    """
    try:
        call = msgspec.json.decode(letter.payload, type=Call)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unretryable("The payload does not say which task it was.") from error
    retry_token = RetryToken(letter.id, token, letter.attempts)
    current_app.send_task(
        call.task,
        args=call.args,
        kwargs=call.kwargs,
        headers={HEADER: msgspec.json.encode(retry_token).decode()},
        # After this the claim has ended, and another attempt may hold the dead letter.
        expires=store.SENT_MS / 1000,
        ignore_result=True,
    )
    return Retried.SENT


def retry_token_of(headers: object) -> RetryToken | None:
    """The token among a task's headers; None for a task that retries no dead letter."""
    raw = headers.get(HEADER) if isinstance(headers, dict) else None
    return None if raw is None else msgspec.json.decode(raw, type=RetryToken)
