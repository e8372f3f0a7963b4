"""Parses times that people give to commands."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """`10m`, `2h`, `3d` ago, or an ISO 8601 time, in UTC unless it says otherwise.

    Raises: ArgumentTypeError.
    """
    if found := re.fullmatch(r"([0-9]{1,6})([smhd])", text):
        return datetime.now(UTC) - timedelta(**{UNITS[found[2]]: int(found[1])})
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError("a time like 2026-11-22T09:30, or 10m, 2h, 3d ago") from error
    return given if given.tzinfo else given.replace(tzinfo=UTC)
