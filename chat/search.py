"""Finding messages by their words, in the rooms a person is in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from django.contrib.postgres.search import SearchQuery

from chat import access, room_list
from chat.database import in_database
from chat.errors import ClientError
from chat.labels import check_label
from chat.models import Message
from chat.time_limit import TooSlow, limited

MIN_QUERY_CHARACTERS = 2
MAX_QUERY_CHARACTERS = 200
MAX_RESULTS = 50
# A query that needs longer is answered with a refusal, not with a held-up database.
STATEMENT_TIMEOUT_MS = 3_000


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
        raise ClientError("bad_request", f"q: at least {MIN_QUERY_CHARACTERS} characters.")
    if room_id is None:
        rooms = await room_list.ids_of(user_id)
    else:
        rooms = [(await access.as_member(user_id, room_id)).room.pk]
    return await in_database(_find, query, rooms, limit)


def _find(query: str, rooms: Sequence[int], limit: int) -> SearchResult:
    words = SearchQuery(query, config="simple", search_type="websearch")
    messages = (
        Message.objects.filter(room_id__in=rooms, search=words, deleted_at=None)
        .defer("search")
        .order_by("-at", "-pk")[: limit + 1]
    )
    try:
        with limited(STATEMENT_TIMEOUT_MS):
            rows = list(messages)
    except TooSlow:
        raise ClientError("bad_request", "This search takes too long: use rarer words.") from None
    found = [
        Found(room=row.room_id, seq=row.seq, author=row.author_id, at=row.at, body=row.body)
        for row in rows[:limit]
    ]
    return SearchResult(found=found, more=len(rows) > limit)
