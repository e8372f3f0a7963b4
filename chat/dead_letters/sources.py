"""The functions that retry dead letters, by source: `persist`, `export`, `task:<name>` …"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from chat.dead_letters.letters import DeadLetter
from chat.errors import PermanentError


class Retried(Enum):
    """What a retry achieved."""

    DONE = "done"  # what had failed is done now; the dead letter is removed
    SENT = "sent"  # a task was sent and will report its end with the claim's token


class Unretryable(PermanentError):
    """No retry of this dead letter can help; it is parked at once, with this text as the reason."""


# Called by the holder of the dead letter's claim, with the claim's token. It must be safe to run
# twice, since a claim ends when its holder is paused for too long.
# Raises: Unretryable (park), RetryableError or a driver's own error for infrastructure that is
# down (does not count), anything else (counts; parked after MAX_ATTEMPTS).
Retry = Callable[[DeadLetter, str], Retried]

_registered: dict[str, Retry] = {}


def register(source: str, retry: Retry) -> None:
    """Makes `retry` the function that this process calls for dead letters of `source`.

    Applications do this in their `AppConfig.ready`, so that it holds in every process.
    """
    _registered[source] = retry


def retry_of(source: str) -> Retry:
    """The function that retries dead letters of `source`; all `task:<name>` share one.

    Raises: Unretryable when none is registered in this process.
    """
    name = source.partition(":")[0]
    found = _registered.get(name)
    if found is None:
        raise Unretryable("Dead letters of this source cannot be retried here.")
    return found
