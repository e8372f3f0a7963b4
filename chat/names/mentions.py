"""Finds the names that a message mentions: `@anna`, `@backend`, `@room`, `#general`. Pure.

Names in code are not mentions. What is code, the page decides (docs/message-text.md): blocks
between fences, and spans between backticks. A backslash before a sign makes it text; addresses of
mail and of pages are no mentions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from chat.names.usernames import MAX_CHARACTERS, normalise

# A message mentions at most so many people, groups and rooms. Names that nobody has are text, so
# more may be written; but not so many that looking them up costs more than the message.
MAX_MENTIONS = 50
MAX_WRITTEN = 300

# The names that mean everybody in the room, or everybody who is present there.
Everybody = Literal["room", "here"]
EVERYBODY: tuple[Everybody, ...] = ("room", "here")

# What begins a line inside quotes and lists: a fence may follow.
QUOTES = re.compile(r"[ \t]{0,3}(?:>[ \t]?)+")
ITEM = re.compile(r"[ \t]*(?:[-*]|\d{1,3}[.)])[ \t]+(?=\S)")
FENCE = re.compile(r"[ \t]{0,3}(`{3,})([^`]*)$")
HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+\S")

LETTER = r"(?:[^\W_]|[\u0300-\u036f])"
NAME = re.compile(rf"[@#]{LETTER}(?:[._-]*{LETTER})*")
# Whatever may be skipped or begin a name, in the order of its place; everything else is text.
SIGN = re.compile(r"\\[!-/:-@\[-`{-~]|`+|https?://\S+|[@#]", re.IGNORECASE)
# A name after one of these is part of something else: of an address, a path, a word.
JOINED = re.compile(r"[^\W_]|[@#/+=&%~\u0300-\u036f]")
SEPARATOR = re.compile(r"[._-]+")
# A name may be followed by a dot and the next sentence: `@anna.Thanks`.
MAX_READINGS = 3
MAX_ADDRESS_CHARACTERS = 80  # of a room


class Written(msgspec.Struct, frozen=True):
    """The names that a text may mention, as they are looked up, in the order of their places.

    Each is given by all its readings, the longest first: of `@anna.i`, `anna.i` and `anna`.
    """

    people: tuple[tuple[str, ...], ...] = ()  # and groups
    rooms: tuple[tuple[str, ...], ...] = ()
    all: Everybody | None = None  # "room" or "here"; the first of them if both are there

    def __bool__(self) -> bool:
        return bool(self.people or self.rooms or self.all)

    def names(self) -> set[str]:
        """All readings of people and groups."""
        return {name for readings in self.people for name in readings}

    def addresses(self) -> set[str]:
        """All readings of rooms."""
        return {name for readings in self.rooms for name in readings}


def may_mention(body: str) -> bool:
    """Whether a text has a sign with which a name begins."""
    return "@" in body or "#" in body


def written_in(body: str) -> Written:
    """The names in a message's text; takes time linear in its length."""
    if not may_mention(body):
        return Written()
    people: dict[tuple[str, ...], None] = {}
    rooms: dict[tuple[str, ...], None] = {}
    everybody: set[Everybody] = set()
    for sign, name in dict.fromkeys(_names(body)):
        if sign == "#":
            if readings := _readings(name, MAX_ADDRESS_CHARACTERS, str):
                rooms[readings] = None
            continue
        readings = _readings(name, MAX_CHARACTERS, normalise)
        called = next((one for one in EVERYBODY if one in readings), None)
        if called is not None:
            everybody.add(called)
        elif readings:
            people[readings] = None
    of_all = next((one for one in EVERYBODY if one in everybody), None)
    return Written(tuple(people), tuple(rooms), of_all)


def _readings(name: str, longest: int, form: Callable[[str], str]) -> tuple[str, ...]:
    """The name and what is left of it without its last parts. A number is no name."""
    found = []
    for _ in range(MAX_READINGS):
        if len(name) <= longest and any(character.isalpha() for character in name):
            found.append(form(name))
        ends = [one.start() for one in SEPARATOR.finditer(name)]
        if not ends:
            break
        name = name[: ends[-1]]
    return tuple(dict.fromkeys(found))


def _names(body: str) -> Iterator[tuple[str, str]]:
    for block in _blocks(body):
        yield from _names_of_block(block)


def _blocks(body: str) -> Iterator[str]:
    """The parts of a text that are formatted each for itself, without blocks of code."""
    block: list[str] = []
    depth = 0
    fence, fence_depth, fence_indent = 0, 0, 0
    for line in body.splitlines():
        quotes = QUOTES.match(line)
        level = 0 if quotes is None else quotes[0].count(">")
        rest = line if quotes is None else line[quotes.end() :]
        indent = len(rest) - len(rest.lstrip(" \t"))
        if fence:
            closes = FENCE.match(rest[min(indent, fence_indent) :])
            if closes is not None and len(closes[1]) >= fence and not closes[2].strip():
                fence = 0
                continue
            # Whatever holds the code ends it too: a quote, an item.
            if level >= fence_depth and (indent >= fence_indent or not rest.strip()):
                continue
            fence = 0
        starts = level != depth or not rest.strip() or HEADING.match(rest) is not None
        depth, inner = level, 0
        while (item := ITEM.match(rest, inner)) is not None:
            starts, inner = True, item.end()
        opens = FENCE.match(rest[inner:] if inner else rest.lstrip(" \t") if indent > 3 else rest)
        if starts or opens is not None:
            yield "\n".join(block)
            block = []
        if opens is not None:
            fence, fence_depth, fence_indent = len(opens[1]), level, inner
        else:
            block.append(rest)
    yield "\n".join(block)


def _names_of_block(text: str) -> Iterator[tuple[str, str]]:
    ticks = _runs_of_backticks(text)
    at = 0
    while (sign := SIGN.search(text, at)) is not None:
        at = sign.end()
        first = sign[0][0]
        if first == "`":
            at = _after_code(text, sign.start(), sign.end(), ticks)
        elif first in "@#" and len(sign[0]) == 1:
            if sign.start() > 0 and JOINED.match(text[sign.start() - 1]):
                continue
            name = NAME.match(text, sign.start())
            if name is not None:
                at = name.end()
                if text[at : at + 1] not in ("@", "/"):
                    yield first, name[0][1:]


def _runs_of_backticks(text: str) -> dict[int, list[int]]:
    """Length → where runs of so many backticks begin, the last first."""
    runs: dict[int, list[int]] = defaultdict(list)
    for run in re.finditer(r"`+", text):
        runs[len(run[0])].append(run.start())
    for starts in runs.values():
        starts.reverse()
    return runs


def _after_code(text: str, start: int, end: int, ticks: dict[int, list[int]]) -> int:
    """Where the text goes on after the code span that begins at `start`, or after the backticks if
    none does."""
    inside_word = start > 0 and text[start - 1].isalnum() and text[end : end + 1].isalnum()
    if end - start == 1 and inside_word:
        return end  # an apostrophe
    runs = ticks[end - start]
    while runs and runs[-1] <= start:
        runs.pop()
    if not runs:
        return end
    return runs[-1] + (end - start)
