"""What a batch of events does to the rollups, in any order and however often it comes."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.db import connection

from analytics.counting import late_records, pruning, records, rollups, sketches
from analytics.counting.errors import NotAnEvent, NotYet
from analytics.counting.places import MISSING, PLACEHOLDER, REFUSED
from analytics.counting.records import Record
from analytics.counting.rollups import Batch, Counted
from analytics.models import (
    ALL_ROOMS,
    CountedRoom,
    DayRollup,
    EarlyReply,
    MinuteRollup,
    OpenPlaces,
    PersonDay,
    PostedMessage,
    QuarterRollup,
    ReplyTimes,
    WordWeek,
)
from chat.events import (
    EventType,
    MemberJoined,
    RoomEvent,
    RoomKind,
    RoomUpdated,
)
from tests.support import analytics_truth
from tests.support.analytics_events import (
    NOON,
    bad_records,
    created,
    event,
    placeholder,
    post,
    record_of,
)
from tests.support.analytics_world import World

pytestmark = pytest.mark.django_db(transaction=True)

BUS = "test"


class Feed:
    """Counts events as a consumer of one partition does."""

    def __init__(self, partition: int = 0) -> None:
        self.partition = partition
        self._next = 0

    def count(self, events: Sequence[RoomEvent]) -> Counted:
        return self.count_records([record_of(one) for one in events])

    def count_records(self, found: Sequence[Record]) -> Counted:
        begin = rollups.positions(BUS, [self.partition])[self.partition]
        read = []
        for one in found:
            self._next += 1
            read.append(
                records.read(
                    msgspec.structs.replace(one, position=str(self._next)), datetime.now(UTC)
                )
            )
        return rollups.count(BUS, [Batch(self.partition, begin, read)])


def open_places(room: int = 5) -> list[tuple[int, int, str]]:
    return list(
        OpenPlaces.objects.filter(room=room)
        .order_by("first")
        .values_list("first", "last", "reason")
    )


def messages(room: int = 5) -> int:
    return sum(DayRollup.objects.filter(room=room).values_list("messages", flat=True))


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_any_batches_and_any_repeats_give_the_same_rows(feed: Feed, seed: int) -> None:
    pick = random.Random(seed)
    world = World(rooms=4, seed=seed)
    world.happen(400)
    events = list(world.events())
    # Words are not counted before it is known what kind of room it is.
    first = [one for one in events if one.seq == 1]
    rest = [one for one in events if one.seq > 1]
    mixed = rest + pick.choices(rest, k=200)
    pick.shuffle(mixed)
    stream = first + mixed

    counted = 0
    while stream:
        size = pick.randint(1, 80)
        counted += feed.count(stream[:size]).events
        stream = stream[size:]

    assert counted == len(events)
    assert analytics_truth.differences() == []
    assert OpenPlaces.objects.count() == EarlyReply.objects.count() == 0
    assert min(analytics_truth.totals().values()) > 0


def test_repeated_batches_change_nothing(feed: Feed) -> None:
    batch = [created(), post(2), post(3)]
    feed.count(batch)

    again = feed.count(batch)

    assert (again.events, again.repeats) == (0, 3)
    assert messages() == messages(ALL_ROOMS) == 2


def test_gap_stays_open_until_its_events_come_and_they_count_once(feed: Feed) -> None:
    feed.count([post(1), post(5)])
    before = open_places()
    feed.count([post(3)])
    between = open_places()
    feed.count([post(4), post(2), post(3), post(2)])

    assert before == [(2, 4, MISSING)]
    assert between == [(2, 2, MISSING), (4, 4, MISSING)]
    assert open_places() == []
    assert messages() == 5


def test_event_counts_when_it_takes_the_place_of_its_placeholder_and_only_then(feed: Feed) -> None:
    feed.count([post(1), placeholder(2), post(3)])
    with_placeholder = (messages(), open_places())
    feed.count([placeholder(2), post(2), placeholder(2), post(2)])

    assert with_placeholder == (2, [(2, 2, PLACEHOLDER)])
    assert (messages(), open_places()) == (3, [])


def test_placeholder_that_comes_for_a_missing_event_says_why_it_is_missing(feed: Feed) -> None:
    feed.count([post(1), post(4)])
    feed.count([placeholder(2)])

    assert open_places() == [(2, 2, PLACEHOLDER), (3, 3, MISSING)]


def test_process_that_was_overtaken_counts_nothing(feed: Feed) -> None:
    feed.count([post(1)])
    overtaken = Batch(0, "", [records.read(record_of(post(1)), NOON)])

    counted = rollups.count(BUS, [overtaken])

    assert (counted.fenced, counted.events, messages()) == ({0}, 0, 1)


def test_partition_that_is_fenced_does_not_keep_others_from_being_counted(feed: Feed) -> None:
    feed.count([post(1)])
    rollups.positions(BUS, [1])
    read = [records.read(record_of(post(1, room=6)), datetime.now(UTC))]

    counted = rollups.count(BUS, [Batch(0, "wrong", read), Batch(1, "", read)])

    assert (counted.fenced, counted.events) == ({0}, 1)


def test_stopped_partition_is_neither_read_nor_counted_until_it_is_resumed(feed: Feed) -> None:
    rollups.positions(BUS, [0])
    rollups.stop(BUS, 0, "", "too much is bad")
    read = [records.read(record_of(post(1)), datetime.now(UTC))]

    stopped = rollups.count(BUS, [Batch(0, "", read)])
    positions = rollups.positions(BUS, [0])
    resumed = rollups.resume()

    assert (stopped.fenced, positions, resumed) == ({0}, {}, 1)
    assert rollups.count(BUS, [Batch(0, "", read)]).events == 1


def test_partitions_of_several_processes_are_counted_at_once_without_a_deadlock() -> None:
    world = World(rooms=8, people=4)
    world.happen(1_600)
    by_partition = [
        [one for one in world.events() if one.room % 4 == partition] for partition in range(4)
    ]
    start = threading.Barrier(4)

    def work(partition: int) -> int:
        try:
            feed, events, counted = Feed(partition), by_partition[partition], 0
            start.wait(30)
            while events:
                counted += feed.count(events[:25]).events
                events = events[25:]
            return counted
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counted = sum(pool.map(work, range(4)))

    assert counted == sum(map(len, by_partition))
    assert analytics_truth.differences() == []


def reply_seconds(room: int = 5) -> list[float]:
    return sorted(
        sketches.seconds_of(bucket)
        for bucket, number in ReplyTimes.objects.filter(room=room).values_list("bucket", "replies")
        for _ in range(number)
    )


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_first_reply_is_the_first_by_somebody_else(feed: Feed) -> None:
    feed.count(
        [
            post(1, actor=1),
            post(2, reply_to=1, actor=1, at=after(10)),
            post(3, reply_to=1, actor=2, at=after(100)),
            post(4, reply_to=1, actor=3, at=after(200)),
        ]
    )

    assert reply_seconds() == [pytest.approx(100, rel=0.02)]
    assert reply_seconds(ALL_ROOMS) == reply_seconds()


def test_reply_that_comes_before_the_message_it_answers_counts_when_that_comes(feed: Feed) -> None:
    feed.count([created(), placeholder(2), post(3, reply_to=2, actor=2, at=after(60))])
    before = reply_seconds()
    feed.count([post(2, actor=1)])

    assert before == []
    assert reply_seconds() == [pytest.approx(60, rel=0.02)]
    assert EarlyReply.objects.count() == 0


def test_earlier_reply_that_comes_late_takes_the_place_of_the_later_one(feed: Feed) -> None:
    feed.count([post(1), placeholder(2), post(3, reply_to=1, actor=2, at=after(300))])
    feed.count([post(2, reply_to=1, actor=3, at=after(30))])

    assert reply_seconds() == [pytest.approx(30, rel=0.02)]


def test_answer_after_more_than_a_week_is_no_first_reply(feed: Feed) -> None:
    late = NOON + timedelta(days=7, seconds=1)

    feed.count([post(1), post(2, reply_to=1, actor=2, at=late)])

    assert reply_seconds() == []


def shown_words() -> set[str | None]:
    return set(WordWeek.objects.values_list("word", flat=True))


def test_word_is_shown_from_the_third_message_on_if_several_people_used_it(feed: Feed) -> None:
    feed.count([created(), post(2, "tulip secretly", actor=1), post(3, "tulip", actor=1)])
    before = shown_words()
    feed.count([post(4, "Tulip tulip", actor=2)])

    assert before == {None}
    assert shown_words() == {"tulip", None}
    assert WordWeek.objects.get(word="tulip").messages == 3


def test_word_of_one_person_is_never_shown_and_nothing_of_it_is_in_the_database(
    feed: Feed,
) -> None:
    feed.count([created(), *(post(seq, "correcthorse", actor=1) for seq in range(2, 12))])

    assert shown_words() == {None}
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(word::text, ' ') FROM analytics_wordweek AS word")
        assert "correcthorse" not in str(cursor.fetchone())


def test_no_words_of_direct_conversations_are_kept(feed: Feed) -> None:
    said = [post(seq, "tulip", actor=seq % 2 + 1) for seq in range(2, 9)]

    feed.count([created(RoomKind.DIRECT), *said])

    assert (WordWeek.objects.count(), messages()) == (0, 7)


def test_quarters_make_the_day_of_a_zone_that_is_off_by_45_minutes(feed: Feed) -> None:
    """Nepal, UTC+5:45: its day begins at 18:15 UTC."""
    midnight = datetime(2026, 3, 3, 18, 15, tzinfo=UTC)
    edge = timedelta(microseconds=1)
    times = [midnight - edge, midnight, midnight + timedelta(days=1) - edge]
    feed.count([post(seq, at=at, actor=seq) for seq, at in enumerate(times, 1)])

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc('day', start AT TIME ZONE 'Asia/Kathmandu')::date::text,"
            " sum(messages) FROM analytics_quarterrollup WHERE room = 0 GROUP BY 1 ORDER BY 1"
        )
        days = cursor.fetchall()
    first_bit = (18 * 60 + 15 - 12 * 60) // 15
    evening = ~((1 << first_bit) - 1) & (2**48 - 1)
    active = {
        person
        for person, day, am, pm in PersonDay.objects.filter(room=ALL_ROOMS).values_list(
            "person", "day", "am_quarters", "pm_quarters"
        )
        if (day.day == 3 and pm & evening) or (day.day == 4 and (am or pm & ~evening))
    }

    assert days == [("2026-03-03", 1), ("2026-03-04", 2)]
    assert active == {2, 3}


def test_bad_record_counts_nothing_and_keeps_nothing_from_being_counted(feed: Feed) -> None:
    for room, name in enumerate(bad_records(5), start=5):
        record = bad_records(room)[name]
        around = [record_of(post(1, room=room)), record, record_of(post(3, room=room))]

        counted = feed.count_records(around)

        assert (counted.events, counted.bad) == (2, 1), name
        assert messages(room) == 2, name
        [(first, last, reason)] = open_places(room)
        assert (first, last) == (2, 2), name
        assert reason in {MISSING, REFUSED}, name
    assert MinuteRollup.objects.filter(room=ALL_ROOMS).count() == 1
    assert OpenPlaces.objects.count() == len(bad_records(5))


@pytest.mark.parametrize("text", ["Привет, 👋🏽", "a\0b", "x" * 8_000, "‮cba"])
def test_whatever_may_stand_in_a_message_can_be_counted(feed: Feed, text: str) -> None:
    counted = feed.count([created(), post(2, text)])

    assert counted.events == 2
    assert DayRollup.objects.get(room=5).characters == len(text)


def test_dead_letter_counts_when_it_is_retried_and_only_once(feed: Feed) -> None:
    feed.count_records([record_of(post(1)), bad_records(5)["other data"], record_of(post(3))])

    first = late_records.count(record_of(post(2)))
    second = late_records.count(record_of(post(2)))

    assert (first, second) == (True, False)
    assert (messages(), open_places()) == (3, [])


def test_dead_letter_that_still_cannot_be_counted_says_whether_it_ever_can() -> None:
    with pytest.raises(NotYet):
        late_records.count(bad_records(5)["unknown version"])
    with pytest.raises(NotYet):
        late_records.count(bad_records(5)["wrong key"])
    with pytest.raises(NotAnEvent):
        late_records.count(bad_records(5)["not JSON"])

    assert CountedRoom.objects.count() == 0


def test_names_and_kinds_of_rooms_are_those_of_the_latest_events(feed: Feed) -> None:
    feed.count([created(RoomKind.PRIVATE), placeholder(2)])
    renamed = [
        event(seq, RoomUpdated(name=name), EventType.ROOM_UPDATED)
        for seq, name in ((3, "New"), (2, "Old"))
    ]

    feed.count(renamed)

    room = CountedRoom.objects.get(room=5)
    assert (room.kind, room.slug, room.name) == ("private", "tea", "New")


def test_pruning_takes_what_is_no_longer_needed_and_no_sum(feed: Feed) -> None:
    feed.count(
        [
            created(),
            post(2, "tulip"),
            *(post(seq, "lily", actor=seq) for seq in (3, 4, 5)),
            event(6, MemberJoined(user=3), EventType.MEMBER_JOINED),
        ]
    )
    before = messages()

    too_early = pruning.prune(NOON + timedelta(days=25))
    deleted = pruning.prune(NOON + timedelta(days=60))

    assert (too_early, deleted > 0) == (0, True)
    assert MinuteRollup.objects.count() == PostedMessage.objects.count() == 0
    assert shown_words() == {"lily"}
    assert messages() == before
    assert QuarterRollup.objects.filter(room=5).count() == 1
