"""Keeps what could not be processed, with its bytes, its origin and the reason; drops nothing.

`store` keeps dead letters on the log server and lists its keys, `retrying` retries those that are
due or chosen, `sources` knows the function that retries each source
(`chat.persistence.put_back` for `persist`, `chat.task_queue.dead_letter_retry` for tasks),
`listing` finds dead letters among a million, `discarding` discards them, `limit` stops a run that
makes too many, `audit` records what people did, `rendering` makes them safe to look at.
"""

from chat.dead_letters.audit import AuditLine
from chat.dead_letters.audit import lines as audit_lines
from chat.dead_letters.discarding import Discarded, discard, discarded
from chat.dead_letters.letters import (
    DeadLetter,
    DeadLetterOrigin,
    Reason,
    State,
    describe,
    pack_entry,
    unpack_entry,
)
from chat.dead_letters.listing import DeadLetterPage, Filter, every, page
from chat.dead_letters.retrying import Outcome, Result, release, retry, retry_due
from chat.dead_letters.sources import Retried, Unretryable, register
from chat.dead_letters.store import MAX_ATTEMPTS, STREAM, Counts, Entered, add, counts, enter, get

__all__ = [
    "MAX_ATTEMPTS",
    "STREAM",
    "AuditLine",
    "Counts",
    "DeadLetter",
    "DeadLetterOrigin",
    "DeadLetterPage",
    "Discarded",
    "Entered",
    "Filter",
    "Outcome",
    "Reason",
    "Result",
    "Retried",
    "State",
    "Unretryable",
    "add",
    "audit_lines",
    "counts",
    "describe",
    "discard",
    "discarded",
    "enter",
    "every",
    "get",
    "pack_entry",
    "page",
    "register",
    "release",
    "retry",
    "retry_due",
    "unpack_entry",
]
