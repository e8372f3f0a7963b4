"""What chat/ui/src/lib/look-alikes.ts has of the table behind `chat.names.look_alikes`."""

from __future__ import annotations

import unicodedata

from chat.names.look_alikes import ALPHABETS, _replaced


def table() -> dict[str, str]:
    """Latin letter or digit → letters of the alphabets that look like it, each by itself."""
    found: dict[str, str] = {}
    for code in range(0x80, 0x20000):
        letter = chr(code)
        if (
            not letter.isalpha()
            or unicodedata.name(letter, "").split(" ")[0] not in ALPHABETS
            or unicodedata.normalize("NFKD", letter) != letter  # JavaScript does that by itself
        ):
            continue
        like = _replaced(letter).casefold()
        if len(like) == 1 and like.isascii() and like.isalnum():
            found[like] = found.get(like, "") + letter
    return dict(sorted(found.items()))
