"""Parses times that people give in a form of the admin: in UTC, as the pages show them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment_of(text: str) -> datetime | None:
    """The time in `text` ("2026-11-25", "2026-11-25 09:30", "…T09:30"); None for an empty one.

    Raises: ValueError.
    """
    text = text.strip()
    if not text:
        return None
    if len(text) > 32:
        raise ValueError("This is not a time.")
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if not 1970 <= moment.year <= 9998:
        raise ValueError("This is not a time.")
    return moment
