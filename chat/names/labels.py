"""Labels: names of rooms, people and tokens, and topics; one line each. Pure."""

from __future__ import annotations

import re
import unicodedata

from chat.broken_rules import Rule
from chat.errors import ClientError, RefusalReason
from chat.names.characters import has_no_meaning, is_unassigned, is_visible, small, stands_alone
from chat.names.look_alikes import mixes_alphabets, only_looks_latin

MAX_NAME_CHARACTERS = 80
MAX_TOPIC_CHARACTERS = 250
MAX_SLUG_CHARACTERS = 60

CONTROLS = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
# Characters that reverse the writing direction make a name read like another.
DIRECTION_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
# Rooms made by Veche itself are found by these slugs; other rooms never need them.
RESERVED_SLUGS = frozenset({"general"})


def check_label(text: str, what: str, longest: int, *, may_be_empty: bool = False) -> str:
    """`text` in normal form C, with single spaces and none at its ends.

    Raises: ClientError: bad_request for characters that no label may contain, empty when nothing of
    it is visible, too_large when it has more than `longest` characters.
    """
    if len(text) > longest * 4:  # before any work that grows with the length
        raise _too_long(what, longest)
    for character in text:
        if character in "\t\n\r":
            continue  # becomes a space below
        if unicodedata.category(character) in CONTROLS or is_unassigned(character):
            raise ClientError(
                "bad_request",
                f"{what}: control characters are not allowed.",
                reason=RefusalReason.CONTROLS,
                rule=Rule.KNOWN_CHARACTERS if has_no_meaning(character) else None,
            )
        if character in DIRECTION_CONTROLS:
            raise ClientError(
                "bad_request",
                f"{what}: direction marks are not allowed.",
                reason=RefusalReason.DIRECTION_MARKS,
            )
    given = len(text)
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if not any(map(stands_alone, text)):
        if may_be_empty and not text:
            return text
        raise ClientError(
            "empty",
            f"{what}: something readable is needed.",
            reason=RefusalReason.UNREADABLE,
            rule=Rule.MORE_THAN_MARKS if any(map(is_visible, text)) else None,
        )
    if len(text) > longest:
        raise _too_long(what, longest, Rule.LENGTH_IN_NORMAL_FORM if given <= longest else None)
    return text


def _too_long(what: str, longest: int, rule: Rule | None = None) -> ClientError:
    message = f"{what}: at most {longest:,} characters."
    return ClientError("too_large", message, reason=RefusalReason.TOO_LONG, rule=rule)


def check_room_name(name: str) -> str:
    """Like any label; besides, no word may look like one in another alphabet, as `gеneral` does."""
    name = check_label(name, "Name", MAX_NAME_CHARACTERS)
    if mixes_alphabets(name):
        raise ClientError(
            "bad_request",
            "Name: a word has letters of two alphabets.",
            reason=RefusalReason.TWO_ALPHABETS,
            rule=Rule.ONE_ALPHABET,
        )
    return name


def check_topic(topic: str) -> str:
    return check_label(topic, "Topic", MAX_TOPIC_CHARACTERS, may_be_empty=True)


def slug_of(name: str) -> str:
    """The address part made from a room's name; never empty, not necessarily free."""
    text = unicodedata.normalize("NFKC", small(unicodedata.normalize("NFKC", name)))
    kept = "".join(one if _is_of_word(one) or one in "-_" or one.isspace() else "" for one in text)
    slug = re.sub(r"[-\s]+", "-", kept.strip())[:MAX_SLUG_CHARACTERS].strip("-_")
    return slug or "room"


def _is_of_word(character: str) -> bool:
    """True for letters, digits, and marks, which in many scripts are the vowels of a word."""
    return character.isalnum() or (
        unicodedata.category(character)[0] == "M" and is_visible(character)
    )


def may_be_address(slug: str) -> bool:
    """Whether a room may have that address without a suffix.

    Clients show the address when names of rooms look alike, so it must not look like another.
    """
    return slug not in RESERVED_SLUGS and not only_looks_latin(slug)


def check_text(text: str, what: str, longest: int) -> str:
    """Some lines of free text, possibly empty: what PostgreSQL can hold, trimmed.

    Raises: ClientError: bad_request for NUL and other control characters, too_large.
    """
    if len(text) > longest:
        raise _too_long(what, longest)
    for character in text:
        if character not in "\t\n\r" and unicodedata.category(character) in {"Cc", "Cs"}:
            raise ClientError(
                "bad_request",
                f"{what}: control characters are not allowed.",
                reason=RefusalReason.CONTROLS,
            )
    return text.strip()
