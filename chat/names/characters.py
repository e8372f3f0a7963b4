"""What readers see of a character, whatever Unicode this Python knows. Pure.

Python 3.11 has the tables of Unicode 14: to them an emoji or an ideograph that is younger is
unassigned, as a character that nobody will ever assign is.
"""

from __future__ import annotations

import unicodedata

NOTHING_TO_SEE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
# Where what is assigned next is emoji (Unicode reserves the block for them) or ideographs. The last
# two of each plane are never characters.
YOUNG = ((0x1F000, 0x1FFFD), (0x20000, 0x2FFFD), (0x30000, 0x3FFFD))
# Drawn as nothing although their category says otherwise: Unicode's Default_Ignorable_Code_Point
# (DerivedCoreProperties.txt, version 17), and three that fonts leave empty.
DRAWN_AS_NOTHING = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159),
    (0xE0000, 0xE0FFF),
)  # fmt: skip


def is_visible(character: str) -> bool:
    """Whether a reader sees anything of the character."""
    if character.isascii():
        return character.isprintable() and character != " "
    if _is_in(character, DRAWN_AS_NOTHING):
        return False
    category = unicodedata.category(character)
    return category not in NOTHING_TO_SEE or (category == "Cn" and is_young(character))


def stands_alone(character: str) -> bool:
    """Whether it is seen without another one to sit on, as an accent needs."""
    return is_visible(character) and unicodedata.category(character)[0] != "M"


def is_unassigned(character: str) -> bool:
    """Whether it means nothing to anybody, now or in a Unicode to come."""
    return unicodedata.category(character) == "Cn" and not is_young(character)


def has_no_meaning(character: str) -> bool:
    """Whether this Python's Unicode leaves it open: unassigned, or for private use."""
    return unicodedata.category(character) in {"Cn", "Co"}


def is_young(character: str) -> bool:
    return _is_in(character, YOUNG)


def _is_in(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    number = ord(character)
    return any(first <= number <= last for first, last in ranges)


def small(text: str) -> str:
    """In small letters. İ gives i alone, where Python would leave its dot behind as a mark."""
    return text.lower().replace("i\N{COMBINING DOT ABOVE}", "i")
