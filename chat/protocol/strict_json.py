"""JSON that every reader understands in the same way: hooks for Python's decoder.

Names appear once in an object, and numbers are those of JSON. Texts are such as PostgreSQL can
hold: without NUL, and without half of a surrogate pair.
"""

from __future__ import annotations

from typing import Any


class NotStrict(ValueError):
    """The text is JSON to some readers only, or cannot be stored."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `object_pairs_hook`. Raises: NotStrict."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotStrict("A name appears twice.")
    return fields


def unique_and_storable(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Like `unique`; also looks at texts, except for those in arrays. Raises: NotStrict."""
    fields = unique(pairs)
    for name, value in pairs:
        if not is_storable(name) or (isinstance(value, str) and not is_storable(value)):
            raise NotStrict("A text holds NUL or half a surrogate pair.")
    return fields


def no_constant(name: str) -> float:
    """For `parse_constant`: NaN and the infinities. Raises: NotStrict."""
    raise NotStrict(f"{name} is not JSON.")


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text: no NUL, no half of a surrogate pair."""
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
