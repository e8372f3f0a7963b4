"""What can go wrong, sorted by what the caller does next.

`RetryableError`: infrastructure is down; back off and call again; nothing is dead-lettered.
`PermanentError`: the data itself is refused; dead-letter it, as calling again changes nothing.
`ClientError`: the person or program on the other side must be told; carries the wire error code.
"""

from __future__ import annotations

import math
from enum import StrEnum

from chat.broken_rules import Rule


class VecheError(Exception):
    """Base of every error that Veche raises on purpose."""


class RetryableError(VecheError):
    """A dependency did not answer, or not in time; the same call may succeed later."""


class PermanentError(VecheError):
    """The data is not acceptable and never will be; it goes to the dead letters."""


class RefusalReason(StrEnum):
    """Tells apart refusals that share an error code, for clients that have their own texts.

    docs/protocol.md says what each means; the UI has a sentence for each in every language.
    """

    CONTROLS = "controls"
    DELETED = "deleted"
    DIRECTION_MARKS = "direction_marks"
    ENOUGH_REPORTS = "enough_reports"
    LAST_OWNER = "last_owner"
    MENTIONS = "mentions"
    MENTIONS_ALL = "mentions_all"
    MENTIONS_ALL_OFTEN = "mentions_all_often"
    NOT_DELETED = "not_deleted"
    PAGE_TOO_OLD = "page_too_old"
    REPLY_TO = "reply_to"
    REPORT_CLOSED = "report_closed"
    SEARCH_DATE = "search_date"
    SEARCH_OPERATORS = "search_operators"
    SEARCH_PEOPLE = "search_people"
    SEARCH_PERSON = "search_person"
    SEARCH_ROOM = "search_room"
    SEARCH_VALUE = "search_value"
    SLOW_SEARCH = "slow_search"
    TOO_LONG = "too_long"
    TWO_ALPHABETS = "two_alphabets"
    UNREADABLE = "unreadable"


class ClientError(VecheError):
    """A request that is answered with an `error` frame or a problem+json document.

    `code` is one of `chat.protocol.ErrorCode`. `retry_after_seconds` is set when the same
    request may succeed after that time. `message` is in English, for developers of clients. `rule`
    is set when a code for bad form is about something else (see `chat.broken_rules`). `about` is
    the part of the request that is at fault, as it was sent.
    """

    def __init__(
        self,
        code: str,
        message: str,
        retry_after_seconds: float | None = None,
        *,
        reason: RefusalReason | None = None,
        rule: Rule | None = None,
        about: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds
        self.reason = reason
        self.rule = rule
        self.about = about


class Unavailable(ClientError, RetryableError):
    """A dependency is down: the client keeps its message and sends it again with the same key."""

    def __init__(self, message: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__("unavailable", message, retry_after_seconds)


def in_hundredths(retry_after_seconds: float) -> float:
    """The time to wait as given in answers: rounded up, so that waiting that long is enough."""
    return math.ceil(retry_after_seconds * 100) / 100
