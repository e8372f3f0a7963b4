"""Retries a task's dead letter: sends the task again, which then says how it went.

The letter stays claimed meanwhile. When nothing is heard the claim ends and the letter is due
again with one attempt more, so a task that kills its worker is parked in the end.
"""

from __future__ import annotations

import msgspec

from chat import task_runs
from chat.dead_letters import retrying, store
from chat.dead_letters.letters import Letter
from chat.dead_letters.retrying import Result
from chat.dead_letters.sources import Retried, Unretryable
from chat.task_runs import Call

HEADER = "veche_dead_letter"


class RetryToken(msgspec.Struct, frozen=True):
    """Travels with the task: which letter it retries, and the proof of the claim."""

    letter: str
    token: str
    attempts: int

    def report_done(self) -> None:
        """The task has succeeded: the letter goes. Raises: redis.RedisError."""
        retrying.report_done(self.letter)

    def report_failed(self, error: BaseException) -> Result:
        """The task has failed: the letter is due later, or parked. Raises: redis.RedisError."""
        return retrying.report_failed(self.letter, self.token, self.attempts, error)


def retry(letter: Letter, token: str) -> Retried:
    """Sends the letter's task.

    Raises: Unretryable when the payload is no call; kombu's OperationalError.
    """
    try:
        call = msgspec.json.decode(letter.payload, type=Call)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unretryable("The payload does not say which task it was.") from error
    ticket = RetryToken(letter.id, token, letter.attempts)
    again = Call(
        task=call.task,
        args=call.args,
        kwargs=call.kwargs,
        headers={HEADER: msgspec.json.encode(ticket).decode()},
    )
    # When the claim has ended, another attempt has it.
    task_runs.send(again, expires_seconds=store.SENT_MS / 1000)
    return Retried.SENT


def retry_token_of(headers: object) -> RetryToken | None:
    """The ticket among a task's headers; None for a task that retries no letter."""
    raw = headers.get(HEADER) if isinstance(headers, dict) else None
    return None if raw is None else msgspec.json.decode(raw, type=RetryToken)
