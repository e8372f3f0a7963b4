"""Which records are events, which places are counted, what a word is: without any server."""

from __future__ import annotations

import random
import statistics
from datetime import UTC, datetime

import pytest

from analytics.counting import records, sketches, statements, words
from analytics.counting.places import MISSING, PLACEHOLDER, Places
from analytics.counting.records import Bad, BadReason
from analytics.models import REPLY_ERROR
from tests.support.analytics_events import bad_records, post, record_of

HOPELESS = {"no value", "not JSON", "an array", "nested without end", "number of 5,000 digits"}


@pytest.mark.parametrize("name", bad_records(5))
def test_bad_record_says_why_without_saying_what_is_in_it(name: str) -> None:
    read = records.read(bad_records(5)[name], datetime.now(UTC))

    assert isinstance(read, Bad)
    assert read.error.endswith(".")
    assert "hello" not in read.error
    assert name not in HOPELESS or read.room is None


def test_record_of_a_later_version_is_kept_for_a_later_version_of_ours() -> None:
    later = records.read(bad_records(5)["unknown version"], datetime.now(UTC))
    junk = records.read(bad_records(5)["not JSON"], datetime.now(UTC))

    assert isinstance(later, Bad)
    assert isinstance(junk, Bad)
    assert (later.reason, junk.reason) == (BadReason.INVALID, BadReason.UNREADABLE)


def test_good_record_is_counted() -> None:
    assert not isinstance(records.read(record_of(post(2)), datetime.now(UTC)), Bad)


@pytest.mark.parametrize("seed", range(20))
def test_places_taken_in_any_order_are_each_taken_once(seed: int) -> None:
    pick = random.Random(seed)
    arrivals = [pick.randint(1, 60) for _ in range(150)]
    places = Places()

    taken = [seq for seq in arrivals if places.take(seq)]

    assert sorted(taken) == sorted(set(arrivals))
    still_open = {seq for first, (last, _) in places.open.items() for seq in range(first, last + 1)}
    assert still_open == set(range(1, max(arrivals))) - set(arrivals)


def test_places_can_be_written_and_read_again_at_any_moment() -> None:
    """What `changed` and `gone` say is what a table would hold."""
    pick = random.Random(4)
    table: dict[int, tuple[int, str]] = {}
    seq = 0
    for _ in range(60):
        places = Places(seq, [(first, *rest) for first, rest in table.items()])
        for _ in range(5):
            places.take(pick.randint(1, 80), pick.choice([None, None, PLACEHOLDER]))
        for first in places.gone:
            table.pop(first, None)
        table |= {first: places.open[first] for first in places.changed}
        seq = places.seq

        assert table == places.open


def test_placeholder_after_its_event_opens_nothing() -> None:
    places = Places()
    places.take(1)

    places.take(1, PLACEHOLDER)

    assert places.open == {}


def test_event_far_ahead_opens_one_stretch_however_long() -> None:
    places = Places()

    places.take(2**40)

    assert places.open == {1: (2**40 - 1, MISSING)}


def test_percentiles_are_within_the_stated_error() -> None:
    pick = random.Random(2)
    seconds = [pick.lognormvariate(5, 2) + 1 for _ in range(5_000)]
    histogram: dict[int, int] = {}
    for one in seconds:
        bucket = sketches.bucket_of(one)
        histogram[bucket] = histogram.get(bucket, 0) + 1

    median, p95 = sketches.percentile(histogram, 0.5), sketches.percentile(histogram, 0.95)

    ordered = sorted(seconds)
    assert median == pytest.approx(ordered[2_499], rel=REPLY_ERROR + 1e-6)
    assert p95 == pytest.approx(ordered[4_749], rel=REPLY_ERROR + 1e-6)
    assert statistics.median(seconds) == pytest.approx(median, rel=0.05)


def test_percentile_of_nothing_is_nothing() -> None:
    assert sketches.percentile({}, 0.5) is None
    assert sketches.percentile({3: 0}, 0.5) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat sat on the cat", {"cat", "sat"}),
        ("Ёлка ёлки Елка", {"елка", "елки"}),
        ("см. https://example.org/secret-page и mail@example.org", set()),
        ("ask @ann about hunter2 and pass_word", {"ask"}),
        ("run `rm -rf cache` now", {"run"}),
        ("```\nsecret = key\n``` done code", {"code"}),
        ("это было просто очень хорошо", set()),
        ("x" * 25 + " " + "y" * 24, {"y" * 24}),
        ("и\u0306од", {"йод"}),
        ("", set()),
    ],
)
def test_words_are_what_is_neither_an_address_nor_a_secret_nor_in_every_text(
    text: str, expected: set[str]
) -> None:
    assert words.words(text) == expected


def test_digest_of_a_word_depends_on_the_secret_key(settings: object) -> None:
    def fresh() -> int:
        words._key.cache_clear()
        words.digest.cache_clear()
        return words.digest("tulip")

    mine = fresh()
    settings.SECRET_KEY = "another" * 8  # type: ignore[attr-defined]
    theirs = fresh()
    words._key.cache_clear()
    words.digest.cache_clear()

    assert mine != theirs
    assert -(2**63) <= mine < 2**63


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], "{}"),
        ([1, None, -2], "{1,NULL,-2}"),
        ([True, False], "{True,False}"),
        (["a", 'say "x"', "back\\slash", "NULL", "{,}", ""], None),
        ([None, None], "{NULL,NULL}"),
        ([datetime(2026, 1, 2, tzinfo=UTC)], '{"2026-01-02T00:00:00+00:00"}'),
    ],
)
def test_arrays_are_written_so_that_nothing_in_them_is_taken_for_syntax(
    values: list[object], text: str | None
) -> None:
    written = statements.array(values)

    if text is None:
        text = r'{"a","say \"x\"","back\\slash","NULL","{,}",""}'
    assert written == text
