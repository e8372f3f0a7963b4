"""Finding messages by their words, and by whom, where and when, in the rooms a person is in.

PostgreSQL finds stored messages. Newer events of the log are taken into account before anything is
shown. A message whose text was deleted or replaced a moment ago is not found until the change is
stored; nothing is found in a room that the person was removed from while PostgreSQL looked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, tzinfo
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType, structs

from chat import room_log
from chat.broken_rules import Rule
from chat.errors import ClientError, Unavailable
from chat.models import Message
from chat.names.labels import check_label
from chat.queries import access, found_messages, redaction, room_list, search_pages
from chat.queries.found_messages import Sought, in_time
from chat.queries.message_search import meaning
from chat.queries.search_dates import zone_of
from chat.queries.search_filters import check_number, filters_of
from chat.queries.search_marks import marks
from chat.queries.search_operators import SearchText, take_apart
from chat.queries.search_order import BLOCK, scores
from chat.queries.search_pages import Block, Cursor, Place, place_of
from chat.queries.search_query import is_enough, parse
from chat.resilience.per_loop import PerLoop
from chat.servers import clocks
from chat.servers.postgres import THREADS, in_database
from chat.servers.statement_timeout import limited

# A pasted address or command line fits.
MIN_QUERY_CHARACTERS, MAX_QUERY_CHARACTERS = 1, 500
MAX_RESULTS = 50
# Each attempt but the last finds messages that are out of date, in rooms not looked at before.
MAX_ATTEMPTS = 3
# Searches get half of a process's threads, and hold up only each other.
AT_ONCE = THREADS // 2
LONGEST_WAIT_SECONDS = 5.0

Order = Literal["time", "relevance"]

# The free slots of a process, which has one event loop.
_slots = PerLoop(lambda: asyncio.Semaphore(AT_ONCE))


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A matching message; `marks` are the strings in it to mark. A reply names its `thread`."""

    room: int
    seq: int
    author: int | None
    at: datetime
    body: str
    thread: int | UnsetType = UNSET
    marks: list[str]


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """`more` when there are further matches: on the page at `cursor`."""

    found: list[Found]
    more: bool
    cursor: str | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which results are wanted: `limit` of them in `order`, from `cursor` on if there is one."""

    limit: int
    order: Order = "time"
    cursor: Cursor | None = None


async def search(
    user_id: int,
    text: str,
    room_id: int | None,
    limit: int,
    order: Order = "time",
    cursor: str | None = None,
    zone: str = "UTC",
) -> SearchResult:
    """Messages that match `text`, in one room of the person or in all of them.

    `text` is in the syntax of `chat.queries.search_operators` and, for its words, of
    `chat.queries.search_query`: quotes, `or`, `-`; pasted text is also found literally. Days are
    those of `zone`. Only stored messages are found.

    Raises: ClientError for a text that is too short or too long, an operator that names what there
    is not, a room that is not theirs, or (rate_limited) too many searches by others; Unavailable
    when log or PostgreSQL is down.
    """
    text = check_label(text, "q", MAX_QUERY_CHARACTERS)
    parts = take_apart(text)
    check_number(parts.operators)
    if not (is_enough(parts.words) if parts.words else parts.operators):
        raise ClientError("bad_request", "q: at least 2 characters.", rule=Rule.QUICK_SEARCH)
    its_zone = zone_of(zone)
    if its_zone is None:
        raise ClientError("bad_request", "tz: unknown.", rule=Rule.KNOWN_TIME_ZONE)
    page = Page(
        limit=limit,
        order=order if parts.words else "time",
        cursor=None if cursor is None else search_pages.read(cursor),
    )
    sought = await _sought(user_id, parts, room_id, page, its_zone)
    hidden: dict[int, set[int]] = {}
    for attempt in range(1, MAX_ATTEMPTS + 1):
        async with _turn():
            number = BLOCK if page.order == "relevance" else limit
            rows = await in_database(found_messages.find, sought, number + 1)
        gone = await _gone(user_id, rows)
        if gone is None:
            continue  # more was stored meanwhile than the log keeps
        left, changed = gone
        rooms = [room for room in sought.filters.rooms if room not in left]
        for room, seqs in changed.items():
            hidden.setdefault(room, set()).update(seqs)
        filters = structs.replace(sought.filters, rooms=rooms)
        sought = structs.replace(sought, filters=filters, hidden=hidden)
        gone_rows = {
            row.pk for row in rows if row.room_id in left or row.seq in hidden.get(row.room_id, ())
        }
        if not gone_rows or attempt == MAX_ATTEMPTS:
            async with _turn():
                return await in_database(_result, sought, page, rows, gone_rows)
    raise Unavailable("The results cannot be shown at the moment.")


async def _sought(
    user_id: int, parts: SearchText, room_id: int | None, page: Page, zone: tzinfo
) -> Sought:
    within = None
    if room_id is not None:
        within = (await access.as_member(user_id, room_id)).room.pk
    names_rooms = any(one.name in ("in", "with") for one in parts.operators)
    rooms = [within] if within and not names_rooms else await room_list.ids_of(user_id)
    filters = await in_database(
        filters_of, parts.operators, user_id, rooms, within, zone, clocks.LOG.now()
    )
    return Sought(
        words=parts.words,
        query=parse(parts.words) if parts.words else None,
        filters=filters,
        before=None if page.cursor is None else page.cursor.before,
    )


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


def _result(sought: Sought, page: Page, rows: Sequence[Message], gone: set[int]) -> SearchResult:
    """The page out of `rows`, which are the newest matches, without those that are `gone`."""
    with in_time(), limited(found_messages.STATEMENT_TIMEOUT_MS):
        if page.order == "time":
            chosen, cursor = list(rows[: page.limit]), None
            if len(rows) > page.limit:
                cursor = Cursor(place_of(chosen[-1].at, chosen[-1].pk))
        else:
            chosen, cursor = _most_relevant(sought, page, rows)
        chosen = [row for row in chosen if row.pk not in gone]
        marked = (
            [[] for _ in chosen]
            if sought.query is None
            else marks([row.body for row in chosen], sought.query)
        )
    found = [
        Found(
            room=row.room_id,
            seq=row.seq,
            author=row.author_id,
            at=row.at,
            body=row.body,
            thread=UNSET if row.thread is None else row.thread,
            marks=of_row,
        )
        for row, of_row in zip(chosen, marked, strict=True)
    ]
    return SearchResult(
        found=found,
        more=cursor is not None,
        cursor=None if cursor is None else search_pages.written(cursor),
    )


def _most_relevant(
    sought: Sought, page: Page, rows: Sequence[Message]
) -> tuple[list[Message], Cursor | None]:
    """The next page of a block of matches in order of relevance, and where to go on."""
    if not rows:
        return [], None
    block = None if page.cursor is None else page.cursor.block
    places = {row.pk: place_of(row.at, row.pk) for row in rows}
    # The block keeps its ends, so that a deletion or a new message moves nothing into it.
    oldest = places[rows[:BLOCK][-1].pk] if block is None else block.oldest
    begin = structs.replace(places[rows[0].pk], id=rows[0].pk + 1)
    before = begin if page.cursor is None else page.cursor.before
    within = [row for row in rows if places[row.pk] >= oldest]
    assert sought.query is not None
    of_row = scores([row.pk for row in within], meaning(sought.query), sought.words, before.moment)

    def order(row: Message) -> tuple[int, Place]:
        return of_row.get(row.pk, 0), places[row.pk]

    left = sorted(within, key=order, reverse=True)
    if block is not None:
        left = [row for row in left if order(row) < (block.score, block.last)]
    chosen = left[: page.limit]
    if len(left) > page.limit:
        score, last = order(chosen[-1])
        return chosen, Cursor(before, Block(oldest, score, last))
    if len(within) < len(rows):
        return chosen, Cursor(oldest)
    return chosen, None
