"""Marks the words that a search found, in the text as it was written.

PostgreSQL's `ts_headline` could do it, but it leaves out what looks like a tag, and a moderator
must see what somebody wrote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from chat.queries.search_query import IN_RUNS

EXCERPT_CHARACTERS = 400
BEFORE_CHARACTERS = 120


def marked(text: str, found: Sequence[str]) -> SafeString:
    """About `EXCERPT_CHARACTERS` of `text` around the first match of `found`, all matches marked.

    Escaped, so that no text becomes markup. Of two overlapping matches, the one listed first in
    `found` is marked.
    """
    places = list(pattern_of(found).finditer(text)) if found else []
    start = max(places[0].start() - BEFORE_CHARACTERS, 0) if places else 0
    if len(text) <= EXCERPT_CHARACTERS:
        start = 0
    end = min(start + EXCERPT_CHARACTERS, len(text))
    parts = ["… "] if start else []
    at = start
    for match in places:
        if at <= match.start() and match.end() <= end:
            parts += [escape(text[at : match.start()]), "<mark>", escape(match[0]), "</mark>"]
            at = match.end()
    parts += [escape(text[at:end]), " …" if end < len(text) else ""]
    return mark_safe("".join(parts))  # noqa: S308 - escaped part by part


def pattern_of(found: Sequence[str]) -> re.Pattern[str]:
    """Matches a word only as a whole word, anything else anywhere."""
    return re.compile("|".join(map(_pattern_of, found)))


def _pattern_of(one: str) -> str:
    is_word = one.isalpha() and not IN_RUNS.search(one)
    return rf"(?<![^\W\d_]){re.escape(one)}(?![^\W\d_])" if is_word else re.escape(one)
