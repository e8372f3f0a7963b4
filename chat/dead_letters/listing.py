"""Finds dead letters among any number of them, reading a bounded part of the stream at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from chat.dead_letters import store
from chat.dead_letters.letters import DeadLetter, State

# Read in one call, which keeps the log server from appending for 1 ms (bench/dead_letters.py).
STRETCH_LETTERS = 100
# The most that one page looks at before it returns what it has found.
PAGE_LETTERS = 5_000
# Listings show the beginning of a value; apart from the payload, our values are shorter than this.
VALUE_BYTES = 4_096


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters are meant; a field that is None matches all.

    `source` matches exactly, or as a prefix when it ends with a colon ("task:").
    """

    source: str | None = None
    reason: str | None = None
    room: int | None = None
    state: State | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, letter: DeadLetter) -> bool:
        return (
            (self.source is None or _is_source(letter.source, self.source))
            and (self.reason is None or letter.reason == self.reason)
            and (self.room is None or letter.origin.room == self.room)
            and (self.state is None or letter.state == self.state)
        )

    @property
    def first_id(self) -> str:
        # The id of a dead letter begins with the time when it was entered.
        return "-" if self.since is None else str(int(self.since.timestamp() * 1000))

    @property
    def last_id(self) -> str:
        return "+" if self.until is None else str(int(self.until.timestamp() * 1000))


ALL = Filter()


class DeadLetterPage(msgspec.Struct, frozen=True):
    """Dead letters in order of their ids. `next` continues; it is None at the end.

    A page may have fewer dead letters than were asked for, or none, and still a `next`: it looked
    at as many as one page may.
    """

    letters: list[DeadLetter]
    next: str | None
    looked_at: int


def page(
    wanted: Filter = ALL,
    *,
    limit: int = 50,
    after: str | None = None,
    newest_first: bool = False,
    value_bytes: int = VALUE_BYTES,
) -> DeadLetterPage:
    """At most `limit` dead letters that `wanted` matches, past id `after`, by default oldest first.

    Looks at no more than `PAGE_LETTERS`, however few match, so that a page costs the same among a
    thousand as among a million. Values are cut off after `value_bytes`.

    Raises: redis.RedisError; ValueError when `after` is not an id.
    """
    if after is not None and not store.is_id(after):
        raise ValueError("This is not the id of a dead letter.")
    found: list[DeadLetter] = []
    looked_at = 0
    while looked_at < PAGE_LETTERS:
        size = min(STRETCH_LETTERS, PAGE_LETTERS - looked_at)
        if wanted == ALL:
            size = min(size, limit - len(found))
        stretch = store.stretch(
            *_ends(wanted, after, newest_first),
            size,
            value_bytes=value_bytes,
            newest_first=newest_first,
        )
        for letter in stretch:
            looked_at += 1
            after = letter.id
            if wanted.matches(letter):
                found.append(letter)
                if len(found) == limit:
                    return DeadLetterPage(found, after, looked_at)
        if len(stretch) < size:
            return DeadLetterPage(found, None, looked_at)
    return DeadLetterPage(found, after, looked_at)


def every(wanted: Filter = ALL, *, value_bytes: int = VALUE_BYTES) -> Iterator[DeadLetter]:
    """All dead letters that `wanted` matches, oldest first, read as they are asked for.

    Those removed meanwhile may be missing, those added may be included; none comes twice.

    Raises: redis.RedisError.
    """
    after = None
    while True:
        part = page(wanted, limit=STRETCH_LETTERS, after=after, value_bytes=value_bytes)
        yield from part.letters
        if part.next is None:
            return
        after = part.next


def _ends(wanted: Filter, after: str | None, newest_first: bool) -> tuple[str, str]:
    first, last = wanted.first_id, wanted.last_id
    if after is None:
        return first, last
    return (first, f"({after}") if newest_first else (f"({after}", last)


def _is_source(source: str, wanted: str) -> bool:
    return source.startswith(wanted) if wanted.endswith(":") else source == wanted
