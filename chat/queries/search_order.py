"""Orders results by relevance.

PostgreSQL cannot order the matches of a frequent word without reading all of them. So the newest
`BLOCK` matches are ordered, then the `BLOCK` before them: among fewer matches the best come first,
and of more the newest are asked first. No page costs more than another.

What counts: how often and how exactly the words occur, for the length of the text; the text as it
was typed counts twice; and a year halves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

BLOCK = 200
# Enough of a long message to tell what it is about.
READ_CHARACTERS = 1_000
SCALE = 1_000_000_000

SCORES = """
    SELECT id, round(
        %(scale)s * (1 + (strpos(chat_folded(opening), chat_folded(%(text)s)) > 0)::int)
        * ts_rank(to_tsvector('simple', chat_split(opening))
                  || to_tsvector('russian', chat_split(opening)), %(words)s::tsquery, 1)
        / (1 + greatest(0, extract(epoch FROM %(now)s - at)) / 31536000))::bigint
    FROM (SELECT id, at, left(body, %(length)s) AS opening FROM chat_message
          WHERE id = ANY(%(ids)s) OFFSET 0) AS message
"""


def scores(
    ids: Sequence[int], tsqueries: Sequence[str], text: str, now: datetime
) -> dict[int, int]:
    """How well each message fits; `tsqueries` are the words of `text`. It depends on `now`."""
    if not (ids and tsqueries):
        return dict.fromkeys(ids, 0)
    with connection.cursor() as cursor:
        cursor.execute(
            SCORES,
            {
                "scale": SCALE,
                "text": text,
                "words": " | ".join(f"({one})" for one in tsqueries),
                "now": now,
                "length": READ_CHARACTERS,
                "ids": list(ids),
            },
        )
        return dict(cursor.fetchall())
