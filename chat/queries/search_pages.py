"""Where a page of search results ends, so that the next one begins there. Pure.

Results are in an order that does not change while messages arrive: by time and id, which no message
changes; or by relevance within a block, whose ends are fixed (`chat.queries.search_order`).
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import msgspec

from chat.broken_rules import Rule
from chat.errors import ClientError

MAX_CHARACTERS = 200
PATTERN = "^[A-Za-z0-9_-]*$"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LATEST = 250_000_000_000_000_000  # in the year 9892


class Place(msgspec.Struct, frozen=True, order=True, array_like=True, forbid_unknown_fields=True):
    """The place of a message in time; `at` in microseconds since 1970."""

    at: int
    id: int

    @property
    def moment(self) -> datetime:
        return EPOCH + self.at * MICROSECOND


class Block(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Results in order of relevance: its oldest message, and the last one shown with its score."""

    oldest: Place
    score: int
    last: Place


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Continue with messages before `before`, in `block` if there is one."""

    before: Place
    block: Block | None = None


def place_of(at: datetime, message_id: int) -> Place:
    return Place((at - EPOCH) // MICROSECOND, message_id)


def written(cursor: Cursor) -> str:
    """The cursor as clients get it: letters that an address may hold, without a meaning to them."""
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).rstrip(b"=").decode()


def read(text: str) -> Cursor:
    """Raises: ClientError (bad_request) for what `written` has not made."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        cursor = msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True), type=Cursor)
        for place in (cursor.before, *_within(cursor.block)):
            _check(place)
    except (ValueError, OverflowError, msgspec.DecodeError):
        raise ClientError(
            "bad_request", "cursor: it is not from an answer.", rule=Rule.CURSOR_FROM_AN_ANSWER
        ) from None
    return cursor


def _within(block: Block | None) -> tuple[Place, ...]:
    return () if block is None else (block.oldest, block.last)


def _check(place: Place) -> None:
    # What PostgreSQL can compare with.
    if not (0 <= place.id < 2**63 and 0 <= place.at <= LATEST):
        raise ValueError
