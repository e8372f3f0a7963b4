"""Periods of time as people mean them, in their own time zone, cut into steps. Pure.

The rollups are kept in UTC by quarters of an hour. Since 2000 every zone's offset is a whole
number of quarters, so each step of a period here is a whole number of them, too.
"""

from __future__ import annotations

import functools
import itertools
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from analytics.models import QUARTER_SECONDS, QUARTERS_OF_HALF_A_DAY
from analytics.reading.broken_rules import Rule

EARLIEST = date(2000, 1, 1)
LATEST = date(2099, 12, 31)
MAX_DAYS = 5 * 366
MAX_DAYS_BY_HOUR = 31
# As many steps as are still legible as bars on a screen; longer periods get longer steps.
HOURS_UP_TO = timedelta(days=8)
DAYS_UP_TO = timedelta(days=400)

QUARTER = timedelta(seconds=QUARTER_SECONDS)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
HALF_A_DAY = (1 << QUARTERS_OF_HALF_A_DAY) - 1


class BadPeriod(ValueError):
    """The request names no period; the text says why, for the person who asked.

    `rule` names a rule that no schema can express (`analytics.reading.broken_rules`); None for bad
    form.
    """

    def __init__(self, text: str, rule: Rule | None = None) -> None:
        super().__init__(text)
        self.rule = rule


class Step(StrEnum):
    """The unit into which a period is cut, by the clock of its time zone."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"  # from Monday
    MONTH = "month"


class Recent(StrEnum):
    """A period that ends now."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    YEAR = "365d"


RECENT_DAYS = {Recent.WEEK: 7, Recent.MONTH: 30, Recent.YEAR: 365}


@dataclass(frozen=True)
class Period:
    """From `begin` up to but excluding `end`, both UTC; whole steps, except perhaps both ends."""

    begin: datetime
    end: datetime
    zone: ZoneInfo
    step: Step

    def edges(self) -> list[datetime]:
        """The boundaries of the steps, UTC, ascending: one more than there are steps."""
        inside = _starts_of_steps(self.begin, self.end, self.zone, self.step)
        return [self.begin, *inside, self.end]

    def before(self) -> Period:
        """The period of as many days, or hours by the clock, directly before this one."""
        begin = self.begin.astimezone(self.zone)
        length = self.end.astimezone(self.zone).replace(tzinfo=None) - begin.replace(tzinfo=None)
        earlier = (begin.replace(tzinfo=None) - length).replace(tzinfo=self.zone).astimezone(UTC)
        # A day's end that a clock change skipped must not put the end before the beginning.
        return Period(min(earlier, self.begin - QUARTER), self.begin, self.zone, self.step)

    def local(self, moment: datetime) -> str:
        """The moment with the offset that the zone had then."""
        return moment.astimezone(self.zone).isoformat(timespec="seconds")


@functools.cache
def _zone_names() -> frozenset[str]:
    # These are files beside the zones, and their content depends on the machine.
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}


def zone_named(name: str) -> ZoneInfo:
    """An IANA time zone.

    Raises: BadPeriod for an unknown name.
    """
    # Checked against the list, not by trying to open it: names of zones are file paths.
    if name not in _zone_names():
        raise BadPeriod(
            "tz: this is not the name of a time zone, such as Europe/Moscow.", Rule.KNOWN_ZONE
        )
    return ZoneInfo(name)


def recent(length: Recent, zone: ZoneInfo, now: datetime, step: Step | None = None) -> Period:
    """The last 24 hours, to the end of this hour; or this many days, to the end of this day."""
    local = now.astimezone(zone)
    if length == Recent.DAY:
        # By the clock of the zone: in zones offset by half an hour, hours begin at half past.
        past = timedelta(minutes=local.minute, seconds=local.second, microseconds=now.microsecond)
        end = now - past + HOUR
        return _checked(end - DAY, end, zone, step)
    end_date = local.date() + DAY
    begin_date = end_date - timedelta(days=RECENT_DAYS[length])
    return _checked(midnight(begin_date, zone), midnight(end_date, zone), zone, step)


def between(first: date, last: date, zone: ZoneInfo, step: Step | None = None) -> Period:
    """Whole local days from `first` to `last`, both included.

    Raises: BadPeriod if they are the wrong way round, too far apart or not in this century.
    """
    if first > last:
        raise BadPeriod("from: must not be after to.", Rule.FROM_BEFORE_TO)
    if first < EARLIEST or last > LATEST:
        raise BadPeriod(f"from, to: between {EARLIEST} and {LATEST}.")
    if (last - first).days >= MAX_DAYS:
        raise BadPeriod(f"from, to: at most {MAX_DAYS} days.", Rule.NOT_TOO_LONG)
    begin, end = midnight(first, zone), midnight(last + DAY, zone)
    if begin >= end:  # the day that Samoa skipped
        raise BadPeriod("from, to: there was no such day in this time zone.", Rule.DAYS_OF_ZONE)
    return _checked(begin, end, zone, step)


def weeks(period: Period, at_least: int, at_most: int) -> Period:
    """The whole weeks that `period` touches, and earlier ones until there are `at_least`.

    Only the last `at_most` of them.
    """
    last_day = (period.end - QUARTER).astimezone(period.zone).date()
    first_day = period.begin.astimezone(period.zone).date()
    last_monday = last_day - timedelta(days=last_day.weekday())
    first_monday = first_day - timedelta(days=first_day.weekday())
    first_monday = min(first_monday, last_monday - (at_least - 1) * WEEK)
    first_monday = max(first_monday, last_monday - (at_most - 1) * WEEK)
    return Period(
        midnight(first_monday, period.zone),
        midnight(last_monday + WEEK, period.zone),
        period.zone,
        Step.WEEK,
    )


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a local day, UTC, even if clocks skip or repeat midnight."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _checked(begin: datetime, end: datetime, zone: ZoneInfo, step: Step | None) -> Period:
    length = end - begin
    if step is None:
        step = (
            Step.HOUR if length <= HOURS_UP_TO else Step.DAY if length <= DAYS_UP_TO else Step.WEEK
        )
    if step == Step.HOUR and length > timedelta(days=MAX_DAYS_BY_HOUR, hours=1):
        raise BadPeriod(f"step: hours for at most {MAX_DAYS_BY_HOUR} days.", Rule.FEW_HOURS)
    return Period(begin, end, zone, step)


def _starts_of_steps(
    begin: datetime, end: datetime, zone: ZoneInfo, step: Step
) -> Iterator[datetime]:
    """Where steps begin, strictly between `begin` and `end`."""
    if step == Step.HOUR:
        yield from starts_of_hours(begin, end, zone)
        return
    day = begin.astimezone(zone).date()
    previous = begin
    while True:
        day = _next_step(day, step)
        start = midnight(day, zone)
        if start >= end:
            return
        if start > previous:  # a skipped day has no length
            yield start
        previous = start


def _next_step(day: date, step: Step) -> date:
    if step == Step.DAY:
        return day + DAY
    if step == Step.WEEK:
        return day + timedelta(days=7 - day.weekday())
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def starts_of_hours(begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Where the zone's hours begin, strictly between `begin` and `end`, which are quarters.

    After the clock is put back, the repeated hour counts as a separate hour.
    """
    moment, offset = begin, begin.astimezone(zone).utcoffset()
    while True:
        minutes = moment.astimezone(zone).minute
        following = moment + timedelta(minutes=60 - minutes)
        new_offset = following.astimezone(zone).utcoffset()
        if new_offset != offset:
            # The change itself begins an hour, even if it is by half an hour.
            following = _change_between(moment, following, zone)
            offset = new_offset
        moment = following
        if moment >= end:
            return
        yield moment


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first quarter after `before`, up to `after`, with the offset of `after`."""
    moment = before + QUARTER
    while moment.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
        moment += QUARTER
    return moment


def changes_of_offset(begin: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """When the zone's clock changed between two moments: the first quarters with the new offset."""
    changes, moment = [], begin
    while moment < end:
        following = min(moment + DAY, end)
        if following.astimezone(zone).utcoffset() != moment.astimezone(zone).utcoffset():
            changes.append(_change_between(moment, following, zone))
        moment = following
    return changes


@dataclass(frozen=True)
class Piece:
    """The part of a slot on one UTC day: which quarters it covers, as in the rollups' bits."""

    day: date
    slot: int
    am: int
    pm: int


def pieces(edges: list[datetime]) -> list[Piece]:
    """What the slots between `edges`, numbered from 1, cover on each UTC day, as sets of bits."""
    found = []
    for slot, (begin, end) in enumerate(itertools.pairwise(edges), start=1):
        day_start = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        while day_start < end:
            first = max(0, (begin - day_start) // QUARTER)
            last = min(2 * QUARTERS_OF_HALF_A_DAY, (end - day_start) // QUARTER)
            bits = (1 << last) - (1 << first)
            found.append(
                Piece(
                    day_start.date(),
                    slot,
                    bits & HALF_A_DAY,
                    bits >> QUARTERS_OF_HALF_A_DAY,
                )
            )
            day_start += DAY
    return found


def whole_days(begin: datetime, end: datetime) -> tuple[date, date] | None:
    """First and last whole UTC day between two moments; None if there is none."""
    first = begin.date() if begin.time() == time() else begin.date() + DAY
    last = end.date() - DAY
    return (first, last) if first <= last else None
