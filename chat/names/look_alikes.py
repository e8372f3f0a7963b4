"""Names that people take for one another, or for those who run the place. Pure.

Two texts look alike when they have a *skeleton* (Unicode TR39) in common: every character is
replaced by the one that stands for all that look like it. On top of TR39, and on purpose coarser,
case, accents, spaces and punctuation do not count, and i and l are one: at worst a user name is
shown where it was not needed. A text has two skeletons, of its small letters and of its capitals,
which look like other letters than the small ones do: `ВВС` like `BBC`, but `ввс` not like `bbc`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable

from confusable_homoglyphs import utils

# Some characters stand for a whole phrase; more of a skeleton than this tells no names apart.
MAX_SKELETON_CHARACTERS = 200
# Alphabets whose letters look like each other's: no word is written in two of them.
ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
# Letters that show nothing, though Unicode calls them letters.
FILLERS = "\u115f\u1160\u3164\uffa0"

# What people take for the software or for those who run it.
RESERVED = frozenset(
    {
        "admin", "administration", "administrator", "administrators", "admins", "all", "channel",
        "everyone", "helpdesk", "here", "moderator", "moderators", "official", "owner", "root",
        "security", "staff", "superuser", "support", "sysadmin", "system", "veche",
        "админ", "администратор", "администраторы", "администрация", "админы", "безопасность",
        "безопасности", "вече", "владелец", "все", "всем", "модератор", "модераторы", "поддержка",
        "поддержки", "сисадмин", "система", "служба", "техподдержка", "техподдержки",
    }
)  # fmt: skip

# First names that look like one of them where i and l are one.
NAMES_OF_PEOPLE = frozenset({"ali"})
# Letters that stand apart make no shorter word: `Al L.` and `A. Li` are people.
MIN_SPACED_CHARACTERS = 4


def skeletons(text: str) -> frozenset[str]:
    """What `text` has in common with all that look like it: one or two, and none is empty."""
    plain = unicodedata.normalize("NFKC", text)
    return frozenset({_skeleton(plain.casefold()), _skeleton(plain.upper())})


def _skeleton(text: str) -> str:
    folded = _replaced(text).casefold()
    kept = "".join(one for one in folded if one.isalnum() and one not in FILLERS)
    found = kept.replace("i", "l") or "".join(text.split()) or text
    return found[:MAX_SKELETON_CHARACTERS]


def mixes_alphabets(text: str) -> bool:
    """Whether letters of two alphabets that look like each other's stand in one word."""
    for word in re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", text)):
        found = {unicodedata.name(letter, "").split(" ")[0] for letter in word}
        if len(found.intersection(ALPHABETS)) > 1:
            return True
    return False


def only_looks_latin(text: str) -> bool:
    """Whether something in small letters could be read as Latin throughout and is not: `сосо 2`."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())
    others = [word for word in words if not word.isascii()]
    return bool(others) and all(
        _skeleton(word).isascii() and not re.search(r"[a-z]", word) for word in others
    )


def is_reserved(text: str) -> bool:
    """Whether a name says nothing but that its bearer runs the place: all its words are reserved.

    `Support` and `Veche Admin 2` are; `Elihu Root` is not.
    """
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text))
    bare = [word for word in (re.sub(r"\d+$", "", word) for word in words) if word]
    if not bare:
        return False
    spaced = "".join(bare)
    return all(map(_is_reserved_word, bare)) or (
        len(spaced) >= MIN_SPACED_CHARACTERS and _is_reserved_word(spaced)
    )


def _is_reserved_word(word: str) -> bool:
    return bool(skeletons(word) & _reserved_skeletons()) and _bare(word) not in NAMES_OF_PEOPLE


@functools.cache
def _reserved_skeletons() -> frozenset[str]:
    return frozenset().union(*map(skeletons, RESERVED))


def _replaced(text: str) -> str:
    return _without_accents(text.translate(_prototypes()))


def _bare(word: str) -> str:
    """Small letters without accents, as in `ALİ` and `Alî`."""
    return _without_accents(word.casefold())


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(one for one in decomposed if not unicodedata.combining(one))


@functools.cache
def _prototypes() -> dict[int, str]:
    """Character → what stands for it in a skeleton, by TR39's table.

    The library has the table in both directions: each group is a star around its prototype, which
    therefore has most neighbours. Of a pair, the one of several characters (`rn` for `m`) or the
    smaller one is it.
    """
    table: dict[str, list[dict[str, str]]] = utils.load("confusables.json")
    neighbours = {text: {found["c"] for found in all_found} for text, all_found in table.items()}

    def rank(text: str) -> tuple[int, int, str]:
        return (-len(neighbours.get(text, ())), -len(text), text)

    def best(texts: Iterable[str]) -> str:
        return min(texts, key=rank)

    prototypes = {
        ord(text): prototype
        for text, others in neighbours.items()
        if len(text) == 1
        for prototype in [best({text, *others})]
        if prototype != text
    }
    # TR39 leaves out most small capitals.
    for letter in "abcdefghijklmnopqrstuvwxyz":
        try:
            small = unicodedata.lookup(f"LATIN LETTER SMALL CAPITAL {letter}")
        except KeyError:
            continue
        prototypes[ord(small)] = prototypes.get(ord(letter), letter)
    return prototypes
