"""Days and moments as people type them, by their own clock."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.queries.search_dates import day_of, instant_of, zone_of

NOW = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)


def zone(name: str) -> tzinfo:
    found = zone_of(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "where", "begins", "ends"),
    [
        ("2026-11-29", "UTC", "2026-11-29T00:00", "2026-11-30T00:00"),
        ("2026-11-29", "Europe/Moscow", "2026-11-28T21:00", "2026-11-29T21:00"),
        ("29.11.2026", "UTC", "2026-11-29T00:00", "2026-11-30T00:00"),
        ("2026-1-5", "UTC", "2026-01-05T00:00", "2026-01-06T00:00"),
        ("today", "UTC", "2026-11-29T00:00", "2026-11-30T00:00"),
        ("Today", "Asia/Tokyo", "2026-11-29T15:00", "2026-11-30T15:00"),
        ("yesterday", "UTC", "2026-11-28T00:00", "2026-11-29T00:00"),
        ("вчера", "UTC", "2026-11-28T00:00", "2026-11-29T00:00"),
        # Clocks went forward by an hour, and midnight itself did not exist.
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00", "2018-11-05T02:00"),
    ],
)
def test_day_lasts_from_midnight_to_midnight(
    value: str, where: str, begins: str, ends: str
) -> None:
    day = day_of(value, zone(where), NOW)

    assert day is not None
    assert [at.astimezone(UTC).isoformat()[:16] for at in day] == [begins, ends]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "click",
        "2026",
        "2026-13-01",
        "2026-02-30",
        "0001-01-01",
        "9999-12-31",
        "31.11.2026",
        "٢٠٢٦-١١-٢٩",
        "2026-11-29T10:00",
        "20261129",
        "tomorrow",
    ],
)
def test_what_is_no_day_is_none(value: str) -> None:
    assert day_of(value, UTC, NOW) is None


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-11-29T10:00Z", "2026-11-29T10:00"),
        ("2026-11-29t10:00:30.5+03:00", "2026-11-29T07:00"),
        ("2026-11-29T10:00", "2026-11-29T07:00"),  # by the reader's clock
    ],
)
def test_moment_is_read_with_its_offset_or_by_the_readers_clock(value: str, at: str) -> None:
    found = instant_of(value, zone("Europe/Moscow"))

    assert found is not None
    assert found.isoformat()[:16] == at


@pytest.mark.parametrize("name", ["", "Nowhere", "../etc/passwd", "Europe", "\0", "x" * 1_000])
def test_unknown_zone_is_none(name: str) -> None:
    assert zone_of(name) is None


DIGITS = st.text(alphabet="0123456789-.:TZ+", max_size=30)


@given(st.text(max_size=40) | DIGITS, st.sampled_from(["UTC", "Pacific/Apia", "Etc/GMT+12"]))
def test_every_value_is_a_time_or_none(value: str, where: str) -> None:
    day = day_of(value, zone(where), NOW)
    instant_of(value, zone(where))

    assert day is None or day[0] < day[1]
