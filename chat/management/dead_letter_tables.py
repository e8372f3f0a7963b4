"""Dead letters as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from rich.table import Table
from rich.text import Text

from chat import dead_letters
from chat.dead_letters import DeadLetter, State, rendering

COLOURS = {State.WAITING: "yellow", State.RETRYING: "cyan", State.PARKED: "red"}


def table_of(letters: Iterable[DeadLetter]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "source", "reason", "place", "entered", "tries", "state", "next", "error"):
        table.add_column(name, no_wrap=name != "error")
    for letter in letters:
        table.add_row(
            letter.id,
            text(letter.source or "?", 40),
            text(letter.reason or "?", 20),
            place_of(letter),
            time_of(letter.first_at),
            str(letter.attempts),
            Text(letter.state.value, style=COLOURS[letter.state]),
            time_of(letter.next_at),
            text(letter.problem or letter.last_error or letter.error, 60),
        )
    return table


def details_of(letter: DeadLetter, *, show_words: bool) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    origin = ", ".join(
        f"{name} {value}" for name, value in msgspec.to_builtins(letter.origin).items()
    )
    rows = {
        "id": letter.id,
        "source": letter.source,
        "reason": letter.reason,
        "state": letter.state.value,
        "entered": time_of(letter.first_at),
        "origin": origin,
        "error": letter.error,
        "retries": f"{letter.attempts} of {dead_letters.MAX_ATTEMPTS}",
        "last retry": time_of(letter.last_at),
        "last error": letter.last_error or "",
        "next retry": time_of(letter.next_at),
        "hopeless": letter.hopeless or "",
        "problem": letter.problem or "",
        "payload": f"{letter.payload_bytes:,} bytes",
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, text(value, 2_000))
    for line in rendering.payload_lines(letter, show_words=show_words):
        withheld = f"{line.bytes:,} bytes, see --show-payload"
        table.add_row(f"  {line.name}", Text(line.text if line.text is not None else withheld))
    return table


def text(value: str, limit: int) -> Text:
    """Text shown literally: neither markup nor control characters take effect."""
    return Text(rendering.escaped(value, limit))


def place_of(letter: DeadLetter) -> str:
    origin = letter.origin
    if origin.room is not None:
        return f"{origin.room}:{origin.seq}"
    return "" if origin.shard is None else f"shard {origin.shard}"


def time_of(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
