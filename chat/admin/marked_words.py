"""Marks the words that a search found, in the text as it was written.

PostgreSQL's `ts_headline` would do it, but it leaves out what looks like a tag, and a moderator
must see what somebody wrote. So PostgreSQL only says which words match, in whatever form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db import connection
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

# As PostgreSQL's parser splits, closely enough: a word that is missed here is found all the same.
WORD = re.compile(r"[\w'’-]+")
NEGATED = re.compile(r"(?:^|\s)-\S+")
EXCERPT_CHARACTERS = 400
BEFORE_CHARACTERS = 120
# The words of a page of the longest messages are fewer.
MAX_WORDS = 100_000

MATCHING = """
    SELECT word FROM unnest(%s::text[]) AS word
    WHERE tsvector_to_array(to_tsvector('russian', word))
        && tsvector_to_array(to_tsvector('russian', %s))
"""


def matching_words(texts: Iterable[str], query: str) -> set[str]:
    """The words of `texts` that one of the words of `query` means, in lower case."""
    words = list({word.lower() for text in texts for word in WORD.findall(text)})[:MAX_WORDS]
    with connection.cursor() as cursor:
        cursor.execute(MATCHING, [words, NEGATED.sub(" ", query)])
        return {word for (word,) in cursor.fetchall()}


def marked(text: str, found: set[str]) -> SafeString:
    """About `EXCERPT_CHARACTERS` of `text` where the first of these words stands, all of them
    marked; escaped, so that a text stays a text."""
    places = [match for match in WORD.finditer(text) if match[0].lower() in found]
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
