"""Which parts of a matching text were looked for, spelled as in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from chat.queries.message_search import meaning, words_that_match
from chat.queries.search_query import IN_RUNS, Query

WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
# These words are split once more, in half a second at most. Fifty usual messages have fewer.
MAX_WORDS = 8_000
MAX_MARKS = 50


def marks(texts: Sequence[str], query: Query) -> list[list[str]]:
    """For each text the strings to mark, spelled as in the text, the longest first.

    Words in all their forms, and pasted text as a whole. Reads from the database.
    """
    found = words_that_match(list(_words(texts))[:MAX_WORDS], meaning(query))
    pasted = [
        re.compile(re.escape(text), re.IGNORECASE)
        for pieces in query.alternatives
        for piece in pieces
        if not piece.excluded
        for text in {piece.text, unicodedata.normalize("NFD", piece.text)}
        if not WORD.fullmatch(text) or IN_RUNS.match(text)
    ]
    return [_marks(text, found, pasted) for text in texts]


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in WORD.findall(text) if not IN_RUNS.search(word)}


def _marks(text: str, found: set[str], pasted: Sequence[re.Pattern[str]]) -> list[str]:
    whole = {match[0] for one in pasted for match in one.finditer(text)}
    kept = whole | (set(WORD.findall(text)) & found)
    return sorted(kept, key=lambda one: (-len(one), one))[:MAX_MARKS]
