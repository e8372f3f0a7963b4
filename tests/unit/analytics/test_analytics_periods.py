"""Stretches of time as people mean them, whatever their clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.reading import periods
from analytics.reading.periods import HALF_A_DAY, QUARTER, BadPeriod, Period, Recent, Step

NOON = datetime(2026, 11, 25, 12, 20, 33, tzinfo=UTC)
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/London",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Africa/Cairo",
        "America/Havana",
        "Pacific/Apia",
        "Pacific/Chatham",
    ]
)
DAYS = st.dates(date(2000, 1, 1), date(2030, 1, 1))


def local(period: Period, moment: datetime) -> str:
    return f"{moment.astimezone(period.zone):%d %H:%M}"


def test_last_24_hours_end_with_the_running_hour_of_the_zone() -> None:
    period = periods.recent(Recent.DAY, ZoneInfo("Asia/Kolkata"), NOON)

    assert local(period, period.begin) == "24 18:00"
    assert local(period, period.end) == "25 18:00"
    assert len(period.edges()) == 25
    assert period.step == Step.HOUR


def test_last_days_end_with_this_day_and_get_steps_that_suit() -> None:
    zone = ZoneInfo("Europe/Moscow")

    spans = {length: periods.recent(length, zone, NOON) for length in list(Recent)[1:]}

    assert [(one.end - one.begin).days for one in spans.values()] == [7, 30, 365]
    assert [one.step for one in spans.values()] == [Step.HOUR, Step.DAY, Step.DAY]
    assert {local(one, one.end) for one in spans.values()} == {"26 00:00"}


def test_hour_that_comes_twice_is_two_hours() -> None:
    zone = ZoneInfo("Europe/London")
    day = periods.between(date(2026, 10, 25), date(2026, 10, 25), zone)

    assert [local(day, edge) for edge in day.edges()[:4]] == [
        "25 00:00",
        "25 01:00",
        "25 01:00",
        "25 02:00",
    ]
    assert len(day.edges()) == 26


def test_hour_that_is_left_out_is_no_hour() -> None:
    zone = ZoneInfo("Europe/London")
    day = periods.between(date(2026, 3, 29), date(2026, 3, 29), zone)

    assert [local(day, edge) for edge in day.edges()[:3]] == ["29 00:00", "29 02:00", "29 03:00"]
    assert len(day.edges()) == 24


def test_change_by_half_an_hour_begins_a_step() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    day = periods.between(date(2026, 4, 5), date(2026, 4, 5), zone)

    lengths = [after - before for before, after in pairwise(day.edges())]

    assert sum(lengths, timedelta()) == timedelta(hours=24, minutes=30)
    assert set(lengths[:4]) <= {timedelta(hours=1), timedelta(minutes=30), timedelta(minutes=90)}


def test_period_before_is_as_long_by_the_clock() -> None:
    zone = ZoneInfo("Europe/London")
    period = periods.between(date(2026, 10, 25), date(2026, 10, 31), zone)

    before = period.before()

    assert local(before, before.begin) == "18 00:00"
    assert before.end == period.begin


def test_weeks_are_whole_and_never_fewer_than_asked() -> None:
    zone = ZoneInfo("Europe/Moscow")
    week = periods.recent(Recent.WEEK, zone, NOON)
    year = periods.recent(Recent.YEAR, zone, NOON)

    few, many = periods.weeks(week, 8, 53), periods.weeks(year, 8, 53)

    assert len(few.edges()) - 1 == 8
    assert len(many.edges()) - 1 == 53
    assert {edge.astimezone(zone).weekday() for edge in (*few.edges(), *many.edges())} == {0}
    assert few.edges()[-1] == many.edges()[-1] >= week.end


@settings(deadline=None)
@given(ZONES, DAYS, st.integers(0, 30), st.sampled_from(Step))
def test_steps_cover_the_period_without_gap_in_whole_quarters(
    name: str, first: date, days: int, step: Step
) -> None:
    zone = ZoneInfo(name)
    try:
        period = periods.between(first, first + timedelta(days=days), zone, step)
    except BadPeriod:
        assert name == "Pacific/Apia"  # which left a day out
        return

    edges = period.edges()

    assert (edges[0], edges[-1]) == (period.begin, period.end)
    assert all(before < after for before, after in pairwise(edges))
    midnight = datetime(2000, 1, 1, tzinfo=UTC)
    assert all((edge - midnight) % QUARTER == timedelta() for edge in edges)
    starts = edges[1:-1]
    if step == Step.WEEK:
        assert {edge.astimezone(zone).weekday() for edge in starts} <= {0}
    if step == Step.MONTH:
        assert {edge.astimezone(zone).day for edge in starts} <= {1}


@settings(deadline=None)
@given(ZONES, DAYS, st.integers(0, 30), st.sampled_from(Step))
def test_pieces_hold_every_quarter_of_every_step_once(
    name: str, first: date, days: int, step: Step
) -> None:
    zone = ZoneInfo(name)
    last = first + timedelta(days=days)
    begin, end = periods.midnight(first, zone), periods.midnight(last + timedelta(1), zone)
    if begin >= end:
        return
    edges = Period(begin, end, zone, step).edges()

    pieces = periods.pieces(edges)

    seen: dict[date, int] = {}
    for piece in pieces:
        assert 0 <= piece.am <= HALF_A_DAY
        assert 0 <= piece.pm <= HALF_A_DAY
        bits = piece.am | piece.pm << 48
        assert seen.get(piece.day, 0) & bits == 0
        seen[piece.day] = seen.get(piece.day, 0) | bits
    for slot, (start, stop) in enumerate(pairwise(edges), start=1):
        quarters = sum(
            piece.am.bit_count() + piece.pm.bit_count() for piece in pieces if piece.slot == slot
        )
        assert quarters == (stop - start) // QUARTER


def test_changes_of_the_clock_are_found_to_the_quarter() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")

    changes = periods.changes_of_offset(
        datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), zone
    )

    assert changes == [
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    ]


def test_whole_days_between_two_moments() -> None:
    def moment(day: int, hour: int) -> datetime:
        return datetime(2026, 5, day, hour, tzinfo=UTC)

    assert periods.whole_days(moment(1, 0), moment(3, 0)) == (date(2026, 5, 1), date(2026, 5, 2))
    assert periods.whole_days(moment(1, 5), moment(4, 7)) == (date(2026, 5, 2), date(2026, 5, 3))
    assert periods.whole_days(moment(1, 5), moment(2, 7)) is None
    assert periods.whole_days(moment(1, 5), moment(1, 7)) is None


@pytest.mark.parametrize(
    "name", ["", "Moscow", "../UTC", "/etc/passwd", "localtime", "UTC\0", "💥"]
)
def test_names_that_are_no_zones_are_refused(name: str) -> None:
    with pytest.raises(BadPeriod):
        periods.zone_named(name)
