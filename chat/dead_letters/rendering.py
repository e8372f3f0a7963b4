"""Renders dead letters for people: escaped for terminals and pages, and cut off where too long.

What people wrote is left out unless it is asked for.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chat.dead_letters.letters import DeadLetter, unpack_entry

MAX_VALUE_CHARACTERS = 200
# Fields of a log entry that hold nobody's words; `data` may.
WORDLESS = frozenset({"room", "epoch", "seq", "n", "type", "key", "actor", "at"})


class Line(msgspec.Struct, frozen=True):
    """One value of a payload, escaped and cut off. `text` is None when it is withheld."""

    name: str
    text: str | None
    bytes: int


def escaped(text: str, limit: int = MAX_VALUE_CHARACTERS) -> str:
    """`text` with everything that does not print as itself escaped, at most `limit` long.

    That includes control characters, line breaks and marks that change the direction of writing.
    """
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text[:limit]
    )
    return shown if len(text) <= limit else shown + "…"


def payload_lines(letter: DeadLetter, *, show_words: bool) -> list[Line]:
    """The values of the payload; those that hold somebody's words only with `show_words`."""
    if letter.source.startswith("task:"):
        return [_line("call", letter.payload, shown=True)]  # tasks take only ids and names
    try:
        fields = unpack_entry(letter.payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return [_line("payload", letter.payload, shown=show_words)]
    lines = []
    for raw_name, value in fields.items():
        name = escaped(raw_name.decode(errors="backslashreplace"))
        lines.append(_line(name, value, shown=show_words or name in WORDLESS))
    return lines


def as_json(letter: DeadLetter, *, show_words: bool) -> dict[str, Any]:
    """The dead letter as plain values; its payload, in base64, only with `show_words`."""
    plain: dict[str, Any] = msgspec.to_builtins(letter)
    if not show_words:
        del plain["payload"]
    return plain


def _line(name: str, value: bytes, *, shown: bool) -> Line:
    text = value[: 4 * MAX_VALUE_CHARACTERS].decode(errors="backslashreplace") if shown else None
    return Line(name, None if text is None else escaped(text), len(value))
