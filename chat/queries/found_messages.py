"""Asks PostgreSQL for the messages that a search means, the newest first.

The newest messages hold enough matches of a frequent word, so they are looked at first, without the
index; the index is asked for what they hold too rarely. See decision 0044.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import F, OuterRef, Q, QuerySet

from chat.broken_rules import Rule
from chat.errors import ClientError, RefusalReason
from chat.models import Message, Room
from chat.queries.message_search import Meant, meant, without_order_of_time
from chat.queries.moments import stored_since
from chat.queries.search_filters import Filters
from chat.queries.search_pages import Place
from chat.queries.search_query import Query
from chat.servers.statement_timeout import TooSlow, limited

# A query that needs longer is refused rather than allowed to hold up the database.
STATEMENT_TIMEOUT_MS = 3_000
# The newest messages hold enough matches of a frequent word, so they are looked at first: this many
# of all messages, and of those this many in the person's rooms. If they hold a tenth of what is
# wanted, ten times as many of all messages are looked at. A word that these hold too rarely is in
# less than a hundredth of them, and the index finds it in a moment.
NEWEST_OF_ALL, NEWEST = 20_000, 2_000
# The same for messages by some people: few of them may be in the person's rooms.
NEWEST_BY_THEM = 5_000
MORE_OF_ALL = 10 * NEWEST_OF_ALL
# Looking through long messages takes longer than finding them with the index.
NEWEST_TIMEOUT_MS = 750
# Fits the index's result for a frequent word among ten million messages; with less, PostgreSQL
# would check all messages of whole pages again.
WORK_MEMORY = "32MB"
# A search keeps one core busy at most, and finds the newest messages without reading on.
ONE_PROCESS = "SET LOCAL max_parallel_workers_per_gather = 0"
# By how much the log's clock may have been set back: within a room, messages that are nearer to a
# moment than this may be on the other side of it by their seq.
CLOCK_STEP = timedelta(hours=1)


class Sought(msgspec.Struct, kw_only=True):
    """What is looked for: the words of `query`, parsed from `words`, where `filters` allow it, and
    before the place `before`. Without words the query is None. `hidden`: seqs of rooms to leave
    out."""

    words: str
    query: Query | None
    filters: Filters
    before: Place | None = None
    hidden: Mapping[int, Collection[int]] = {}

    @property
    def end(self) -> datetime | None:
        """No message after it is meant."""
        ends = [self.filters.until, None if self.before is None else self.before.moment]
        return min((end for end in ends if end is not None), default=None)


@contextmanager
def in_time() -> Iterator[None]:
    """Raises: ClientError (slow_search) for statements that took too long."""
    try:
        yield
    except TooSlow:
        raise ClientError(
            "bad_request",
            "This search takes too long: use rarer words.",
            reason=RefusalReason.SLOW_SEARCH,
            rule=Rule.QUICK_SEARCH,
        ) from None


def find(sought: Sought, limit: int) -> list[Message]:
    """The first `limit` messages, newest first, each with how far its room is stored.

    Raises: ClientError (slow_search).
    """
    if sought.filters.nothing_fits:
        return []
    rooms = sought.filters.rooms
    with in_time():
        with limited(STATEMENT_TIMEOUT_MS):
            words = Meant(Q(), Q())
            if sought.query is not None:
                words = meant(sought.query, sought.words, rooms)
            span = _span(sought)
        messages = Message.objects.filter(
            words.condition, sought.filters.condition, span, room_id__in=rooms, deleted_at=None
        )
        for room, seqs in sought.hidden.items():
            messages = messages.exclude(room_id=room, seq__in=seqs)
        found = _among_newest(_with_watermarks(messages.filter(words.needed)), sought, span, limit)
        if found is not None:
            return found
        with limited(STATEMENT_TIMEOUT_MS), connection.cursor() as cursor:
            cursor.execute(ONE_PROCESS)
            if sought.query is None:
                # It would be asked for all that there is of a link, for each room.
                cursor.execute("SET LOCAL enable_bitmapscan = off")
                return _first_of_rooms(messages, rooms, limit)
            cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
            # Without statistics, PostgreSQL mistakes a few long messages for a few short ones.
            cursor.execute("SET LOCAL enable_seqscan = off")
            return list(without_order_of_time(_with_watermarks(messages))[:limit])


def _with_watermarks(messages: QuerySet[Message]) -> QuerySet[Message]:
    """`messages`, each with how far its room is stored: of one statement, so of one snapshot."""
    return messages.annotate(stored_seq=F("room__stored_seq"))


def _span(sought: Sought) -> Q:
    """The condition that a message is where the search begins to look, or further back."""
    filters, before = sought.filters, sought.before
    span = Q()
    if filters.since is not None:
        span &= Q(at__gte=filters.since)
    if filters.until is not None:
        span &= Q(at__lt=filters.until)
    if before is not None:
        span &= Q(at__lte=before.moment) & (Q(at__lt=before.moment) | Q(pk__lt=before.id))
    if len(filters.rooms) == 1:
        # The index of a room's messages is by seq.
        [room] = filters.rooms
        first = last = None
        if filters.since is not None:
            first = stored_since(room, filters.since - CLOCK_STEP).seq
        if sought.end is not None:
            last = stored_since(room, sought.end + CLOCK_STEP).seq
        if first is not None:
            span &= Q(seq__gte=first)
        if last is not None:
            span &= Q(seq__lt=last)
    return span


def _among_newest(
    messages: QuerySet[Message], sought: Sought, span: Q, limit: int
) -> list[Message] | None:
    """The first `limit` of `messages`; None if the newest messages hold fewer and are not all."""
    rooms, authors = sought.filters.rooms, sought.filters.authors
    by_them = Q() if authors is None else Q(author_id__in=authors)
    all_of_them = Message.objects.filter(span, by_them)
    try:
        with limited(NEWEST_TIMEOUT_MS), connection.cursor() as cursor:
            cursor.execute(ONE_PROCESS)
            # PostgreSQL would otherwise read all matches and then drop those not among the newest.
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            newest = _newest(all_of_them, rooms, authors)
            found = _first(messages, newest, limit, authors)
            if newest is None or len(found) == limit:
                return found
            if len(rooms) > 1 and len(found) * (MORE_OF_ALL // NEWEST_OF_ALL) >= limit:
                if authors is None:
                    newest = _newest_of(all_of_them, MORE_OF_ALL)
                else:
                    newest = _newest_by(all_of_them, authors, 10 * NEWEST_BY_THEM)
                found = _first(messages, newest, limit, authors)
                if newest is None or len(found) == limit:
                    return found
    except TooSlow:
        pass
    return None


def _first(
    messages: QuerySet[Message], newest: Q | None, limit: int, authors: Sequence[int] | None
) -> list[Message]:
    if newest is not None:
        messages = messages.filter(newest)
    if authors is not None and len(authors) > 1:
        # Their messages are read by author. By time, those of everybody would be.
        return list(without_order_of_time(messages)[:limit])
    return list(messages.order_by("-at", "-pk")[:limit])


def _first_of_rooms(messages: QuerySet[Message], rooms: Sequence[int], limit: int) -> list[Message]:
    """The first `limit` of `messages`, out of the first of each room: for conditions that no index
    finds, in rooms that may have been silent for long."""
    of_room = messages.filter(room_id=OuterRef("pk")).order_by("-seq").values("pk")[:limit]
    by_room = Room.objects.filter(pk__in=rooms).values_list(ArraySubquery(of_room), flat=True)
    ids = [one for of_one in by_room for one in of_one]
    # A message that was deleted since is none of them; all else is known of them already.
    found = Message.objects.filter(pk__in=ids, deleted_at=None)
    return list(_with_watermarks(found).order_by("-at", "-pk")[:limit])


def _newest(
    messages: QuerySet[Message], rooms: Sequence[int], authors: Sequence[int] | None
) -> Q | None:
    """The condition that a message is among the newest of `messages`; None when all of them are."""
    if len(rooms) == 1:
        seqs = messages.filter(room_id=rooms[0]).order_by("-seq").values_list("seq", flat=True)
        seq = seqs[NEWEST:].first()
        return None if seq is None else Q(seq__gt=seq)
    if authors is not None:
        return _newest_by(messages, authors, NEWEST_BY_THEM)
    of_all = _newest_of(messages, NEWEST_OF_ALL)
    mine = messages.filter(room_id__in=rooms).order_by("-at", "-pk")
    if of_all is not None:
        mine = mine.filter(of_all)
    at = mine.values_list("at", flat=True)[NEWEST:].first()
    return of_all if at is None else Q(at__gt=at)


def _newest_of(messages: QuerySet[Message], number: int) -> Q | None:
    at = _time_of(messages, number)
    return None if at is None else Q(at__gt=at)


def _newest_by(messages: QuerySet[Message], authors: Sequence[int], number: int) -> Q | None:
    """Since a moment, such that they are about `number`, whoever of `authors` wrote them."""
    each = -(-number // len(authors))
    times = [_time_of(messages.filter(author_id=author), each) for author in authors]
    at = max((one for one in times if one is not None), default=None)
    return None if at is None else Q(at__gt=at)


def _time_of(messages: QuerySet[Message], number: int) -> datetime | None:
    """When the newest but `number` was posted; None if there are no more than `number`."""
    return messages.order_by("-at", "-pk").values_list("at", flat=True)[number:].first()
