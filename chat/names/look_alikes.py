"""Finds names that people could take for one another, or for those who run the place. Pure.

Two texts look alike when they have a *skeleton* (Unicode TR39) in common: every character is
replaced by the one that represents all that look like it. Deliberately coarser than TR39, case,
accents, spaces and punctuation do not count, and i and l are the same: at worst a user name is
shown without need. A text has two skeletons, of its lower-case and of its upper-case letters, which
resemble different letters: `ВВС` looks like `BBC`, but `ввс` does not look like `bbc`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable

from confusable_homoglyphs import utils

# Some characters expand to a whole phrase; beyond this length a skeleton tells no names apart.
MAX_SKELETON_CHARACTERS = 200
# Alphabets whose letters look like each other's: a word must not mix two of them.
ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
# Letters that show nothing, though Unicode calls them letters.
FILLERS = "\u115f\u1160\u3164\uffa0"

# What people take for the software or for those who run it.
RESERVED = frozenset(
    {
        "admin", "administration", "administrator", "administrators", "admins", "all", "channel",
        "everyone", "helpdesk", "here", "moderator", "moderators", "official", "owner", "room",
        "root", "security", "staff", "superuser", "support", "sysadmin", "system", "veche",
        "админ", "администратор", "администраторы", "администрация", "админы", "безопасность",
        "безопасности", "вече", "владелец", "все", "всем", "модератор", "модераторы", "поддержка",
        "поддержки", "сисадмин", "система", "служба", "техподдержка", "техподдержки",
    }
)  # fmt: skip

# First names that look like a reserved word when i and l are the same.
NAMES_OF_PEOPLE = frozenset({"ali"})
# Spaced letters are not joined to a word shorter than this: `Al L.` and `A. Li` are people.
MIN_SPACED_CHARACTERS = 4


def skeletons(text: str) -> frozenset[str]:
    """The skeletons that `text` shares with all its look-alikes: one or two, none empty."""
    plain = unicodedata.normalize("NFKC", text)
    return frozenset({_skeleton(plain.casefold()), _skeleton(plain.upper())})


def _skeleton(text: str) -> str:
    folded = _replaced(text).casefold()
    kept = "".join(one for one in folded if one.isalnum() and one not in FILLERS)
    found = kept.replace("i", "l") or "".join(text.split()) or text
    return found[:MAX_SKELETON_CHARACTERS]


def mixes_alphabets(text: str) -> bool:
    """Whether one word mixes letters of two alphabets that look like each other's."""
    for word in re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", text)):
        found = {unicodedata.name(letter, "").split(" ")[0] for letter in word}
        if len(found.intersection(ALPHABETS)) > 1:
            return True
    return False


def only_looks_latin(text: str) -> bool:
    """Whether lower-case `text` could be read as Latin throughout but is not, like `сосо 2`."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())
    others = [word for word in words if not word.isascii()]
    return bool(others) and all(
        _skeleton(word).isascii() and not re.search(r"[a-z]", word) for word in others
    )


def is_reserved(text: str) -> bool:
    """Whether all words of a name are reserved, so that it only says its bearer runs the place.

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
    """`word` in lower case without accents, like `ali` for `ALİ` and `Alî`."""
    return _without_accents(word.casefold())


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(one for one in decomposed if not unicodedata.combining(one))


@functools.cache
def _prototypes() -> dict[int, str]:
    """Character → what replaces it in a skeleton, by TR39's table.

    The library has the table in both directions: each group is a star around its prototype, which
    therefore has the most neighbours. In a pair, the prototype is the one of several characters
    (`rn` for `m`), or else the smaller one.
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
