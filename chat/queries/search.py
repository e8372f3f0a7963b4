"""Finding messages by their words, in the rooms a person is in.

PostgreSQL finds stored messages. Newer events of the log are taken into account before anything is
shown. A message whose text was deleted or replaced a moment ago is not found until the change is
stored; nothing is found in a room that the person was removed from while PostgreSQL looked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec
from django.db import connection
from django.db.models import F, Q, QuerySet

from chat import room_log
from chat.broken_rules import Rule
from chat.errors import ClientError, RefusalReason, Unavailable
from chat.models import Message
from chat.names.labels import check_label
from chat.queries import access, redaction, room_list
from chat.queries.message_search import meant, without_order_of_time
from chat.queries.search_marks import marks
from chat.queries.search_query import Query, is_enough, parse
from chat.resilience.per_loop import PerLoop
from chat.servers.postgres import THREADS, in_database
from chat.servers.statement_timeout import TooSlow, limited

# A pasted address or command line fits.
MIN_QUERY_CHARACTERS, MAX_QUERY_CHARACTERS = 1, 500
MAX_RESULTS = 50
# A query that needs longer is refused rather than allowed to hold up the database.
STATEMENT_TIMEOUT_MS = 3_000
# Each attempt but the last finds messages that are out of date, in rooms not looked at before.
MAX_ATTEMPTS = 3
# The newest messages hold enough matches of a frequent word, so they are looked at first: this many
# of all messages, and of those this many in the person's rooms. If they hold a tenth of what is
# wanted, ten times as many of all messages are looked at. A word that these hold too rarely is in
# less than a hundredth of them, and the index finds it in a moment.
NEWEST_OF_ALL, NEWEST = 20_000, 2_000
MORE_OF_ALL = 10 * NEWEST_OF_ALL
# Looking through long messages takes longer than finding them with the index.
NEWEST_TIMEOUT_MS = 750
# Fits the index's result for a frequent word among ten million messages; with less, PostgreSQL
# would check all messages of whole pages again.
WORK_MEMORY = "32MB"
# A search keeps one core busy at most, and finds the newest messages without reading on.
ONE_PROCESS = "SET LOCAL max_parallel_workers_per_gather = 0"
# Searches get half of a process's threads, and hold up only each other.
AT_ONCE = THREADS // 2
LONGEST_WAIT_SECONDS = 5.0

# The free slots of a process, which has one event loop.
_slots = PerLoop(lambda: asyncio.Semaphore(AT_ONCE))


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A matching message; `marks` are the strings in it to mark."""

    room: int
    seq: int
    author: int | None
    at: datetime
    body: str
    marks: list[str]


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; `more` when there are further matches."""

    found: list[Found]
    more: bool


async def search(user_id: int, text: str, room_id: int | None, limit: int) -> SearchResult:
    """Messages that match `text`, in one room of the person or in all of them.

    `text` is in the syntax of `chat.queries.search_query`: quotes, `or`, `-`; pasted text is also
    found literally. Only stored messages are found.

    Raises: ClientError for a text that is too short or too long, a room that is not theirs, or
    (rate_limited) too many searches by others; Unavailable when log or PostgreSQL is down.
    """
    text = check_label(text, "q", MAX_QUERY_CHARACTERS)
    if not is_enough(text):
        raise ClientError("bad_request", "q: at least 2 characters.", rule=Rule.QUICK_SEARCH)
    query = parse(text)
    if room_id is None:
        rooms = await room_list.ids_of(user_id)
    else:
        rooms = [(await access.as_member(user_id, room_id)).room.pk]
    hidden: dict[int, set[int]] = {}
    for attempt in range(1, MAX_ATTEMPTS + 1):
        async with _turn():
            rows = await in_database(_find, query, text, rooms, hidden, limit + 1)
        gone = await _gone(user_id, rows)
        if gone is None:
            continue  # more was stored meanwhile than the log keeps
        left, changed = gone
        rooms = [room for room in rooms if room not in left]
        for room, seqs in changed.items():
            hidden.setdefault(room, set()).update(seqs)
        standing = [
            row
            for row in rows
            if row.room_id not in left and row.seq not in hidden.get(row.room_id, ())
        ]
        if len(standing) == len(rows) or attempt == MAX_ATTEMPTS:
            return await in_database(_result, query, standing[:limit], len(rows) > limit)
    raise Unavailable("The results cannot be shown at the moment.")


@asynccontextmanager
async def _turn() -> AsyncIterator[None]:
    """One of the `AT_ONCE` slots of this process. Raises: ClientError (rate_limited)."""
    free = _slots.get()
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            await free.acquire()
    except TimeoutError:
        raise ClientError(
            "rate_limited", "Too many people are searching at the moment.", LONGEST_WAIT_SECONDS
        ) from None
    try:
        yield
    finally:
        free.release()


async def _gone(
    user_id: int, rows: Sequence[Message]
) -> tuple[set[int], dict[int, set[int]]] | None:
    """What the log knows about the rooms of `rows` beyond what is stored: which of them the person
    has left, and for each of the others the seqs of messages whose text has changed.

    None when the log does not reach back to the moment of these rows. Raises: Unavailable.
    """
    upto: dict[int, int] = {row.room_id: row.stored_seq for row in rows}  # type: ignore[attr-defined]
    states, roles = await room_log.states_and_roles({user_id: list(upto)})
    left = {room for room, role in roles.get(user_id, {}).items() if role is None}
    changed = {}
    for room, state in states.items():
        if room not in left and state.head > upto[room]:
            seqs = await redaction.changed_after(room, upto[room])
            if seqs is None:
                return None
            changed[room] = seqs
    return left, changed


def _find(
    query: Query,
    text: str,
    rooms: Sequence[int],
    hidden: Mapping[int, Collection[int]],
    limit: int,
) -> list[Message]:
    """Newest first, each with how far its room is stored, except those at seqs in `hidden`."""
    try:
        with limited(STATEMENT_TIMEOUT_MS):
            sought = meant(query, text, rooms)
        messages = Message.objects.filter(sought.condition, room_id__in=rooms, deleted_at=None)
        for room, seqs in hidden.items():
            messages = messages.exclude(room_id=room, seq__in=seqs)
        # In one statement with the watermarks, so that both come from one snapshot.
        messages = messages.annotate(stored_seq=F("room__stored_seq"))
        found = _among_newest(messages.filter(sought.needed), rooms, limit)
        if found is not None:
            return found
        with limited(STATEMENT_TIMEOUT_MS), connection.cursor() as cursor:
            cursor.execute(ONE_PROCESS)
            cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
            # Without statistics, PostgreSQL mistakes a few long messages for a few short ones.
            cursor.execute("SET LOCAL enable_seqscan = off")
            return list(without_order_of_time(messages)[:limit])
    except TooSlow:
        raise ClientError(
            "bad_request",
            "This search takes too long: use rarer words.",
            reason=RefusalReason.SLOW_SEARCH,
            rule=Rule.QUICK_SEARCH,
        ) from None


def _among_newest(
    messages: QuerySet[Message], rooms: Sequence[int], limit: int
) -> list[Message] | None:
    """The first `limit` of `messages`; None if the newest messages hold fewer and are not all."""
    try:
        with limited(NEWEST_TIMEOUT_MS), connection.cursor() as cursor:
            cursor.execute(ONE_PROCESS)
            # PostgreSQL would otherwise read all matches and then drop those not among the newest.
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            newest = _newest(rooms)
            found = _first(messages, newest, limit)
            if newest is None or len(found) == limit:
                return found
            if len(rooms) > 1 and len(found) * (MORE_OF_ALL // NEWEST_OF_ALL) >= limit:
                newest = _newest_of_all(MORE_OF_ALL)
                found = _first(messages, newest, limit)
                if newest is None or len(found) == limit:
                    return found
    except TooSlow:
        pass
    return None


def _first(messages: QuerySet[Message], newest: Q | None, limit: int) -> list[Message]:
    if newest is not None:
        messages = messages.filter(newest)
    return list(messages.order_by("-at", "-pk")[:limit])


def _newest(rooms: Sequence[int]) -> Q | None:
    """The condition that a message is among the newest; None when all messages are."""
    if len(rooms) == 1:
        seqs = Message.objects.filter(room_id=rooms[0]).order_by("-seq")
        seq = seqs.values_list("seq", flat=True)[NEWEST:].first()
        return None if seq is None else Q(seq__gt=seq)
    of_all = _newest_of_all(NEWEST_OF_ALL)
    mine = Message.objects.filter(room_id__in=rooms).order_by("-at", "-pk")
    if of_all is not None:
        mine = mine.filter(of_all)
    at = mine.values_list("at", flat=True)[NEWEST:].first()
    return of_all if at is None else Q(at__gt=at)


def _newest_of_all(number: int) -> Q | None:
    at = Message.objects.order_by("-at", "-pk").values_list("at", flat=True)[number:].first()
    return None if at is None else Q(at__gt=at)


def _result(query: Query, rows: Sequence[Message], more: bool) -> SearchResult:
    found = [
        Found(
            room=row.room_id,
            seq=row.seq,
            author=row.author_id,
            at=row.at,
            body=row.body,
            marks=of_row,
        )
        for row, of_row in zip(rows, marks([row.body for row in rows], query), strict=True)
    ]
    return SearchResult(found=found, more=more)
