"""Reads the dates of a search text, in the time zone of whoever typed them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

ISO_DAY = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})")
DOTTED_DAY = re.compile(r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})")
# An ISO 8601 time; without an offset it is one of the reader's clock.
INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.IGNORECASE,
)
# Far enough from where Python's calendar ends.
FIRST_YEAR, LAST_YEAR = 1900, 9990
DAYS_AGO = {"today": 0, "yesterday": 1, "сегодня": 0, "вчера": 1}


def zone_of(name: str) -> tzinfo | None:
    """The IANA time zone of that name; None if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, no name of a file, a folder
        return None


def day_of(value: str, zone: tzinfo, now: datetime) -> tuple[datetime, datetime] | None:
    """The moments at which that day and the next one begin in `zone`; None if it is no day."""
    match = ISO_DAY.fullmatch(value) or DOTTED_DAY.fullmatch(value)
    try:
        if match is not None:
            day = date(int(match["year"]), int(match["month"]), int(match["day"]))
        elif value.lower() in DAYS_AGO:
            day = now.astimezone(zone).date() - timedelta(days=DAYS_AGO[value.lower()])
        else:
            return None
    except ValueError:
        return None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        return None
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def instant_of(value: str, zone: tzinfo) -> datetime | None:
    """The moment that `value` names; None if it names none."""
    if not INSTANT.fullmatch(value):
        return None
    try:
        at = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
