"""The emoji that there are, each in one form: Unicode's list, from the package `emoji`. Pure.

The same picture is typed with and without U+FE0F, which asks for it in colour. As a reaction both
are one, in the form that Unicode calls fully qualified.
"""

from __future__ import annotations

import functools

import emoji

PRESENTATION = "\ufe0f"


def canonical(text: str) -> str | None:
    """The form in which the emoji is stored and compared; None for what is not one emoji."""
    return _forms().get(text.replace(PRESENTATION, ""))


@functools.cache
def _forms() -> dict[str, str]:
    """Emoji without U+FE0F → its form. Skin tones and other parts by themselves are none."""
    fully_qualified = emoji.STATUS["fully_qualified"]
    return {
        text.replace(PRESENTATION, ""): text
        for text, about in emoji.EMOJI_DATA.items()
        if about["status"] == fully_qualified
    }
