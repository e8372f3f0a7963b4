"""Parses a search text: pieces between spaces, phrases, exclusions, `or`. Pure.

Pasted texts contain the operators of the syntax too: `rm -rf /tmp`, `git commit -m "or so"`. So a
text that contains operators is also looked for literally (`has_operators`); and a text of nothing
but exclusions, such as `-rf`, excludes nothing.
"""

from __future__ import annotations

import re
import unicodedata

import msgspec

# A quoted phrase begins where a piece begins; without its second quote it goes on to the end.
PIECE = re.compile(r'(?P<minus>-(?=["\w]))?(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<piece>\S+))')
# Quotes as keyboards and word processors write them.
QUOTES = str.maketrans(dict.fromkeys("“”„«»", '"'))
# Punctuation within or at the end of a sentence belongs to no word.
SENTENCE_ENDS = ".,;:!?…。、，！？"
IN_RUNS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """What a message must hold, or must not (`excluded`). `exact`: these words in this order."""

    text: str
    exact: bool = False
    excluded: bool = False


class Query(msgspec.Struct, frozen=True):
    """One of the alternatives has to match, with all its pieces."""

    alternatives: list[list[Piece]]
    has_operators: bool


def parse(text: str) -> Query:
    """The query in `text`; each alternative looks for something."""
    alternatives: list[list[Piece]] = [[]]
    has_operators = False
    for match in PIECE.finditer(text.translate(QUOTES)):
        minus, phrase, piece = match["minus"], match["phrase"], match["piece"]
        if phrase is not None:
            has_operators = True
            if phrase.strip():
                alternatives[-1].append(
                    Piece(text=" ".join(phrase.split()), exact=True, excluded=bool(minus))
                )
        elif piece.lower() == "or" and not minus:
            has_operators = True
            alternatives.append([])
        else:
            has_operators = has_operators or bool(minus)
            alternatives[-1].append(
                Piece(text=piece.rstrip(SENTENCE_ENDS) or piece, excluded=bool(minus))
            )
    meant = [pieces for pieces in alternatives if any(not piece.excluded for piece in pieces)]
    if not meant:
        return Query([as_it_is(text)], has_operators=False)
    return Query(meant, has_operators)


def as_it_is(text: str) -> list[Piece]:
    """The pieces of `text` taken literally, with nothing read as an operator."""
    return [Piece(text=piece.rstrip(SENTENCE_ENDS) or piece) for piece in text.split()]


def is_enough(text: str) -> bool:
    """Whether `text` is enough to search for: two characters, or one with a meaning of its own."""
    return len(text) > 1 or bool(IN_RUNS.match(text)) or is_sign(text)


def is_sign(text: str) -> bool:
    """Whether it is a picture or sign; emoji newer than Python's Unicode data have no category."""
    return not text.isascii() and unicodedata.category(text[:1]) in {"So", "Sc", "Sm", "Cn"}
