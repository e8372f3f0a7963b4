"""Finding messages by their words, in the rooms a person is in.

PostgreSQL finds what is stored. What the log has beyond that is taken into account before anything
is shown: a message whose text was deleted or replaced a moment ago is not found until the change
is stored, and nothing of a room that the person was taken out of while PostgreSQL looked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
from django.contrib.postgres.search import SearchQuery
from django.db.models import F

from chat import access, redaction, room_list, room_log
from chat.broken_rules import Rule
from chat.database import in_database
from chat.errors import ClientError, RefusalReason, Unavailable
from chat.labels import check_label
from chat.models import Message
from chat.time_limit import TooSlow, limited

MIN_QUERY_CHARACTERS = 2
MAX_QUERY_CHARACTERS = 200
MAX_RESULTS = 50
# A query that needs longer is answered with a refusal, not with a held-up database.
STATEMENT_TIMEOUT_MS = 3_000
# Each attempt but the last finds messages that stand no more in rooms not looked at before.
MAX_ATTEMPTS = 3


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A message that holds the words."""

    room: int
    seq: int
    author: int | None
    at: datetime
    body: str


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; `more` when there are others beyond these."""

    found: list[Found]
    more: bool


async def search(user_id: int, text: str, room_id: int | None, limit: int) -> SearchResult:
    """Messages with all the words of `text`, in one room of the person or in all of them.

    `text` is in web search syntax: quotes, `or`, `-`. Only stored messages are found.

    Raises: ClientError for a text that is too short or too long, or a room that is not theirs;
    Unavailable when log or PostgreSQL is away.
    """
    query = check_label(text, "q", MAX_QUERY_CHARACTERS)
    if len(query) < MIN_QUERY_CHARACTERS:
        raise ClientError(
            "bad_request",
            f"q: at least {MIN_QUERY_CHARACTERS} characters.",
            rule=None if len(text.strip()) < MIN_QUERY_CHARACTERS else Rule.LENGTH_IN_NORMAL_FORM,
        )
    if room_id is None:
        rooms = await room_list.ids_of(user_id)
    else:
        rooms = [(await access.as_member(user_id, room_id)).room.pk]
    hidden: dict[int, set[int]] = {}
    for attempt in range(1, MAX_ATTEMPTS + 1):
        rows = await in_database(_find, query, rooms, hidden, limit + 1)
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
            return _result(standing, limit, more=len(rows) > limit)
    raise Unavailable("What was found cannot be shown at the moment.")


async def _gone(
    user_id: int, rows: Sequence[Message]
) -> tuple[set[int], dict[int, set[int]]] | None:
    """What the log knows of the rooms of `rows` that those do not: which of them the person has
    left, and in each the seqs of messages whose text has changed.

    None when that cannot be told of rows that are as old as these. Raises: Unavailable.
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
    query: str, rooms: Sequence[int], hidden: Mapping[int, Collection[int]], limit: int
) -> list[Message]:
    """Newest first, each with how far its room is stored, but for the seqs in `hidden`."""
    words = SearchQuery(query, config="simple", search_type="websearch")
    messages = Message.objects.filter(room_id__in=rooms, search=words, deleted_at=None)
    for room, seqs in hidden.items():
        messages = messages.exclude(room_id=room, seq__in=seqs)
    try:
        with limited(STATEMENT_TIMEOUT_MS):
            # One statement, so that the watermarks and the rows are of one moment.
            return list(
                messages.defer("search")
                .annotate(stored_seq=F("room__stored_seq"))
                .order_by("-at", "-pk")[:limit]
            )
    except TooSlow:
        raise ClientError(
            "bad_request",
            "This search takes too long: use rarer words.",
            reason=RefusalReason.SLOW_SEARCH,
            rule=Rule.QUICK_SEARCH,
        ) from None


def _result(rows: Sequence[Message], limit: int, *, more: bool) -> SearchResult:
    found = [
        Found(room=row.room_id, seq=row.seq, author=row.author_id, at=row.at, body=row.body)
        for row in rows[:limit]
    ]
    return SearchResult(found=found, more=more)
