"""Which messages a query means: conditions on `chat_message`, for people and for moderators.

Bodies are stored as typed. The functions `chat_folded`, `chat_split` and `chat_words` (migrations
0038 and 0041) derive from a body what is compared: its characters in one form, its words, and the
lexemes that the index `message_found` holds. Lexemes are each word as written and its stem in
English or Russian; each pair of neighbouring characters in scripts without spaces; each emoji and
sign; and `#` with the room's id, so that a frequent word in a small room costs no more than the
room's size. A query goes through the same functions.

A lexeme finds the messages. Where it is not exact enough (`v2.14.3`, a phrase), the folded body is
checked as well. So nothing that the index leaves out can make a wrong message match.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from django.contrib.postgres.search import SearchQueryField, SearchVectorField
from django.db import connection
from django.db.models import BooleanField, F, Func, IntegerField, Q, QuerySet, TextField, Value
from django.db.models.lookups import GreaterThan

from chat.models import Message
from chat.queries.search_query import IN_RUNS, Piece, Query, as_it_is

# With more rooms than this, most of a word's matches are in them anyway.
MAX_ROOM_LEXEMES = 50
# In a longer text only the last word may be a prefix: pasted words are complete. PostgreSQL reads
# all matches of a prefix before it checks its time limit: 0.1 to 0.4 s for each among ten million.
MAX_BEGINNINGS = 4
# A prefix of one letter finds half of everything.
LEAST_BEGINNING = 2

TAKE_APART = """
    SELECT chat_folded(text), chat_split(text),
        ARRAY(SELECT lexeme FROM unnest(to_tsvector('simple', chat_split(text)))
              ORDER BY positions[1]),
        ARRAY(SELECT (tsvector_to_array(to_tsvector('russian', lexeme)))[1]
              FROM unnest(to_tsvector('simple', chat_split(text))) ORDER BY positions[1])
    FROM unnest(%s::text[]) WITH ORDINALITY AS piece (text, place) ORDER BY place
"""

WORDS = Func(F("room_id"), F("body"), function="chat_words", output_field=SearchVectorField())
FOLDED = Func(F("body"), function="chat_folded", output_field=TextField())
SPLIT = Func(F("body"), function="chat_split", output_field=TextField())


class Matcher(msgspec.Struct, frozen=True):
    """A piece as PostgreSQL sees it. `lexemes` is a tsquery, empty where the index has none for it;
    `condition` is what the body must also fulfil, or None. `words` are tsqueries, one for each word
    that may be marked by itself. The folded body holds `part`, which may be empty."""

    lexemes: str
    condition: Q | None
    excluded: bool
    words: list[str]
    part: str = ""


class Meant(msgspec.Struct, frozen=True):
    """The condition that a message matches a query. `needed`: a cheap condition that every match
    fulfils, for callers that look through messages without the index."""

    condition: Q
    needed: Q


def meant(query: Query, text: str, rooms: Sequence[int] | None) -> Meant:
    """What `query`, which was parsed from `text`, means.

    `rooms`: the caller looks in these only. Reads from the database.
    """
    alternatives = list(query.alternatives)
    if query.has_operators:
        alternatives.append(as_it_is(text))
    matchers = iter(_matchers([piece for pieces in alternatives for piece in pieces]))
    groups = [[next(matchers) for _ in pieces] for pieces in alternatives]
    conditions, needed = Q(), []
    indexed: list[str] = []
    for number, group in enumerate(groups):
        # Dashes and the like are looked for only when there are no words.
        wanted = [one for one in group if not one.excluded]
        named = [one for one in wanted if one.lexemes] or wanted
        lexemes = " & ".join(one.lexemes for one in named if one.lexemes)
        indexed.append(lexemes)
        condition = Q()
        if lexemes and len(groups) > 1:
            condition &= Q(_has(lexemes))
        for one in named:
            if one.condition is not None:
                condition &= one.condition
        for one in group:
            if one.excluded:
                condition &= ~_is_met(one)
        if query.has_operators and number == len(groups) - 1:
            condition &= _holds(_spaced(FOLDED), _one_spaced(_one_folded(text)))
        conditions |= condition
        needed.append([_holds(FOLDED, one.part) for one in named if one.part])
    soon_told = Q()
    if all(needed):
        for parts in needed:
            soon_told |= functools.reduce(operator.and_, parts)
    if all(indexed):
        found = " | ".join(f"({lexemes})" for lexemes in indexed)
        if rooms is not None and 0 < len(rooms) <= MAX_ROOM_LEXEMES:
            found = f"({found}) & ({' | '.join(_quoted(f'#{room}') for room in rooms)})"
        return Meant(Q(_has(found)) & conditions, soon_told)
    return Meant(conditions, soon_told)


def matching(query: Query, text: str, rooms: Sequence[int] | None) -> Q:
    """The condition that a message matches; see `meant`."""
    return meant(query, text, rooms).condition


def with_any_of(*lexemes: str) -> Func[Any]:
    """The condition that a message holds one of these words; the index finds them."""
    return _has(" | ".join(map(_quoted, lexemes)))


def meaning(query: Query) -> list[str]:
    """A tsquery for each word that is looked for; for marking matches."""
    pieces = [piece for pieces in query.alternatives for piece in pieces if not piece.excluded]
    return [word for one in _matchers(pieces) for word in one.words]


def without_order_of_time(messages: QuerySet[Message]) -> QuerySet[Message]:
    """`messages`, newest first, ordered such that PostgreSQL begins with the search condition.

    Otherwise it would go through all messages by time when it takes a rare word for a frequent one.
    """
    at: Func[Any] = Func(F("at"), template="(%(expressions)s + interval '0')")
    return messages.order_by(at.desc(), "-pk")


def _matchers(pieces: Sequence[Piece]) -> list[Matcher]:
    if not pieces:
        return []
    with connection.cursor() as cursor:
        cursor.execute(TAKE_APART, [[piece.text for piece in pieces]])
        rows = cursor.fetchall()
    beginnings = {piece.text for piece in pieces if not (piece.exact or piece.excluded)}
    many = len(beginnings) > MAX_BEGINNINGS
    return [
        _matcher(piece, *row, open_end=not many or piece is pieces[-1])
        for piece, row in zip(pieces, rows, strict=True)
    ]


def _matcher(
    piece: Piece,
    folded: str,
    split: str,
    lexemes: list[str],
    stems: list[str | None],
    *,
    open_end: bool,
) -> Matcher:
    # In a script without spaces, the last character of a run already ends a pair.
    kept = [
        (lexeme, stem)
        for lexeme, stem in zip(lexemes, stems, strict=True)
        if not (IN_RUNS.fullmatch(lexeme) and any(_ends_pair(lexeme, other) for other in lexemes))
    ]
    if piece.exact:
        quoted = [_quoted(lexeme) for lexeme, _ in kept]
        query = " & ".join(quoted)
        if all(c.isalnum() or c == " " for c in folded) and not IN_RUNS.search(folded):
            words = f" {' '.join(split.split())} "
            condition = _holds(_spaced(SPLIT, around=True), words)
            return Matcher(query, condition, piece.excluded, quoted)
        return Matcher(query, _holds(_spaced(FOLDED), _one_spaced(folded)), piece.excluded, [])
    is_word = len(kept) == 1 and (folded == kept[0][0] or len(folded) == 1)
    terms = []
    for lexeme, stem in kept:
        begins = open_end and folded.endswith(lexeme) and not piece.excluded
        long_enough = len(lexeme) >= LEAST_BEGINNING or IN_RUNS.fullmatch(lexeme)
        term = _quoted(lexeme) + (":*" if begins and long_enough else "")
        if is_word and stem and stem != lexeme:
            term = f"({term} | {_quoted(stem)})"
        terms.append(term)
    query = " & ".join(terms)
    if is_word:
        [(lexeme, stem)] = kept
        part = folded if lexeme != folded else _beginning(lexeme, stem or lexeme)
        return Matcher(query, None, piece.excluded, [query], part)
    return Matcher(query, _holds(FOLDED, folded), piece.excluded, [])


def _beginning(lexeme: str, stem: str) -> str:
    """The prefix of every word that a query for `lexeme` and `stem` finds.

    The last two letters of a stem may differ from the word's (`happi` of happy, `di` of dying);
    numbers and scripts without spaces have no stems.
    """
    if not lexeme.isalpha() or IN_RUNS.search(lexeme):
        return lexeme
    one, other = (text[: max(1, len(text) - 2)] for text in (lexeme, stem))
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(letter for letter, _ in alike)


def _ends_pair(one: str, other: str) -> bool:
    return len(other) == 2 and other[1] == one


def _one_folded(text: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT chat_folded(%s)", [text])
        folded: str = cursor.fetchone()[0]
    return folded


def _is_met(one: Matcher) -> Q:
    met = Q(_has(one.lexemes)) if one.lexemes else Q()
    return met if one.condition is None else met & one.condition


def _has(lexemes: str) -> Func[Any]:
    query = Func(
        Value(lexemes), template="%(expressions)s::tsquery", output_field=SearchQueryField()
    )
    return Func(
        WORDS, query, template="(%(expressions)s)", arg_joiner=" @@ ", output_field=BooleanField()
    )


def _holds(text: Func[Any], part: str) -> Q:
    return Q(
        GreaterThan(Func(text, Value(part), function="strpos", output_field=IntegerField()), 0)
    )


def _spaced(text: Func[Any], *, around: bool = False) -> Func[Any]:
    """`text` with single spaces; with `around`, also one before and after it."""
    template = r"regexp_replace(%(expressions)s, '\s+', ' ', 'g')"
    if around:
        template = rf"' ' || {template} || ' '"
    return Func(text, template=f"({template})", output_field=TextField())


def _one_spaced(folded: str) -> str:
    """Like `_spaced`. Folding turns some signs (´ and ¨) into spaces, so it comes first."""
    return " ".join(folded.split()) or folded


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def words_that_match(words: Iterable[str], tsqueries: Sequence[str]) -> set[str]:
    """Those of `words` that match one of `tsqueries`."""
    if not tsqueries:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT word FROM unnest(%s::text[]) AS word WHERE chat_words(0, word) @@ %s::tsquery",
            [list(words), " | ".join(f"({one})" for one in tsqueries)],
        )
        return {word for (word,) in cursor.fetchall()}
