"""What readers see of a character, whatever Unicode this Python knows. Pure.

Python 3.11 has the tables of Unicode 14: in them a newer emoji or ideograph is unassigned, just
like a character that will never be assigned.
"""

from __future__ import annotations

import unicodedata

NOTHING_TO_SEE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
# Ranges where future characters will be emoji (Unicode reserves the block for them) or ideographs.
# The last two code points of each plane are never characters.
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
    """Whether the character is visible without a base character, which an accent needs."""
    return is_visible(character) and unicodedata.category(character)[0] != "M"


def is_unassigned(character: str) -> bool:
    """Whether the character means nothing, now or in a future Unicode."""
    return unicodedata.category(character) == "Cn" and not is_young(character)


def has_no_meaning(character: str) -> bool:
    """Whether this Python's Unicode gives it no meaning: unassigned, or for private use."""
    return unicodedata.category(character) in {"Cn", "Co"}


def is_young(character: str) -> bool:
    return _is_in(character, YOUNG)


def _is_in(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    number = ord(character)
    return any(first <= number <= last for first, last in ranges)


def small(text: str) -> str:
    """`text` in lower case. İ gives i alone; Python would leave its dot behind as a mark."""
    return text.lower().replace("i\N{COMBINING DOT ABOVE}", "i")
