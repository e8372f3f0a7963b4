"""Retries dead letters: those that a person chose, or those whose time has come.

Two retries at once are safe: the claim lets one through, and what it calls is safe to repeat. Rule
of the loop: a dead letter whose retry fails is due again after an increasing delay, and is parked
after `store.MAX_ATTEMPTS`. A failure because infrastructure is down does not count, and the dead
letter is due again when the infrastructure may be back. If no retry can help, it is parked at once.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from chat.audit.entries import Actor
from chat.dead_letters import audit, sources, store
from chat.dead_letters.letters import describe
from chat.dead_letters.sources import Retried, Unretryable
from chat.dead_letters.store import Claim, Ending, Refused
from chat.metrics import catalogue as metrics
from chat.resilience.crash_points import crash_point
from chat.servers.failures import is_infrastructure_error

logger = logging.getLogger(__name__)

# The limits of one run of the periodic task. It ends before the next begins, so that only one
# process at a time is busy with dead letters, however many there are.
RUN_LETTERS = 1_000
RUN_SECONDS = 8.0


class Outcome(StrEnum):
    """What became of a retry."""

    DONE = "done"  # it is where it belongs; the dead letter is gone
    SENT = "sent"  # its task was sent and will report
    WAITING = "waiting"  # it failed and is retried later
    PARKED = "parked"  # it failed and waits for a person
    GONE = "gone"  # there is no such dead letter (any more)
    BUSY = "busy"  # it is being retried or discarded elsewhere at this moment
    EARLY = "early"  # its time has not come
    LOST = "lost"  # it took so long that another process has claimed it


class Result(msgspec.Struct, frozen=True):
    """How the retry of one dead letter ended; `detail` says why it failed."""

    id: str
    outcome: Outcome
    detail: str = ""


def retry(
    ids: Iterable[str], *, by: Actor | str | None = None, why: str = "", batch: str | None = None
) -> Iterator[Result]:
    """Retries the chosen dead letters one by one, due or not, parked or not.

    A generator, so that the caller can show progress and stop half-way; those not reached stay as
    they were. What person `by` does, and why, goes on record (a plain name is that of a person at
    the command line); None stands for a program. `batch` names a bulk act on record.

    Raises: redis.RedisError when the log server is down; OperationalError when PostgreSQL is.
    """
    who = None if by is None else audit.person(by)
    for one in ids:
        yield _retry_asked(one, who, why, batch)


def release(ids: Iterable[str], *, by: Actor | str) -> Iterator[Result]:
    """Makes dead letters due now, with no attempts counted, and leaves the retry to the periodic
    task.

    For many at once. The outcome is `WAITING` when a dead letter was made due.

    Raises: redis.RedisError when the log server is down; OperationalError when PostgreSQL is.
    """
    for one in ids:
        if not store.is_id(one):
            yield Result(one, Outcome.GONE)
            continue
        entry = audit.begin("release", one, by=audit.person(by))
        outcome = Outcome(store.release(one))
        audit.settle(entry, outcome, done=outcome == Outcome.WAITING)
        yield Result(one, outcome)


def retry_due(limit: int = RUN_LETTERS, seconds: float = RUN_SECONDS) -> dict[Outcome, int]:
    """Retries at most `limit` dead letters whose time has come, longest overdue first.

    Stops after `seconds`; the next run takes the rest. Any number of runs may go on at once.

    Raises: redis.RedisError when the log server is down.
    """
    deadline = time.monotonic() + seconds
    outcomes: Counter[Outcome] = Counter()
    for one in store.due(limit):
        if time.monotonic() > deadline:
            break
        outcomes[_retry_one(one, asked=False).outcome] += 1
    return dict(outcomes)


def report_done(id: str) -> None:
    """Reports that the task sent for dead letter `id` has succeeded. Raises: RedisError."""
    store.remove(id)
    _count(Outcome.DONE)


def report_failed(id: str, token: str, attempts: int, error: BaseException) -> Result:
    """Reports that the task sent under `token` has failed. Raises: RedisError."""
    return _settle(id, token, attempts, error)


def _retry_asked(id: str, by: Actor | None, why: str, batch: str | None) -> Result:
    if by is None or not store.is_id(id):
        return _retry_one(id, asked=True)
    # Record it before the claim: if that fails, the dead letter is not left claimed.
    if store.get(id) is None:
        return Result(id, Outcome.GONE)
    entry = audit.begin("retry", id, by=by, why=why, batch=batch)
    result = _retry_one(id, asked=True)
    audit.settle(entry, result.outcome, done=result.outcome in {Outcome.DONE, Outcome.SENT})
    return result


def _retry_one(id: str, *, asked: bool) -> Result:
    claim = store.claim(id, asked=asked) if store.is_id(id) else Refused.GONE
    if isinstance(claim, Refused):
        return Result(id, Outcome(claim.value))
    try:
        retried = _call(claim)
    except Exception as error:
        # Whatever a source's retry raises, the other dead letters must have their turn.
        return _settle(id, claim.token, claim.letter.attempts, error)
    if retried == Retried.SENT:
        store.settle(id, claim.token, Ending.SENT, "", claim.letter.attempts)
        _count(Outcome.SENT)
        return Result(id, Outcome.SENT)
    crash_point("dead_letters.before_remove")
    store.remove(id)
    _count(Outcome.DONE)
    logger.info("dead letter %s of %s retried: done", id, claim.letter.source)
    return Result(id, Outcome.DONE)


def _call(claim: Claim) -> Retried:
    letter = claim.letter
    if letter.problem is not None:
        raise Unretryable(letter.problem)
    return sources.retry_of(letter.source)(letter, claim.token)


def _settle(id: str, token: str, attempts: int, error: BaseException) -> Result:
    if isinstance(error, Unretryable):
        ending = Ending.HOPELESS
    elif is_infrastructure_error(error):
        ending = Ending.POSTPONED
    else:
        ending = Ending.FAILED
    outcome = Outcome(store.settle(id, token, ending, error, attempts))
    _count(outcome)
    # Only the error's class: its text may quote what was refused.
    logger.warning("dead letter %s retried: %s; now %s", id, type(error).__name__, outcome)
    return Result(id, outcome, describe(error))


def _count(outcome: Outcome) -> None:
    metrics.DEAD_LETTER_RETRIES.labels(outcome=outcome).inc()
