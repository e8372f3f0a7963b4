"""The pure checks of `verify_delivery`: each kind of damage is found, and nothing else (I9)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, strategies

from chat import events
from chat.events import (
    EventData,
    EventQuarantined,
    EventType,
    MemberJoined,
    MessagePosted,
    RoomEvent,
)
from chat.verify.checks.content import Content, content_of, data_digest
from chat.verify.checks.event_bus_checks import EventBusCheck, EventBusRecord, ExpectedRecords
from chat.verify.checks.findings import Check, Finding, Findings
from chat.verify.checks.log_checks import IngestEntry, LogCheck, RoomInLog, StoredUpTo
from chat.verify.checks.placeholders import Placeholder, check_placeholders
from chat.verify.checks.seq_ranges import SeqRanges
from chat.verify.checks.sequence import SequenceCheck, StoredRow, typed_data

ROOM, SHARD = 5, 1
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def row_of(seq: int, n: int, data: EventData, kind: EventType, **changes: object) -> StoredRow:
    row = StoredRow(
        ROOM,
        1,
        seq,
        n,
        str(kind),
        None,
        7,
        START + timedelta(seconds=seq),
        events.encode_data(data),
        id=100 + seq,
        shard=SHARD,
    )
    return msgspec.structs.replace(row, **changes)


def post(seq: int, n: int, body: str = "hello", **changes: object) -> StoredRow:
    return row_of(seq, n, MessagePosted(body=body), EventType.MESSAGE_POSTED, **changes)


def join(seq: int, n: int) -> StoredRow:
    return row_of(seq, n, MemberJoined(user=7), EventType.MEMBER_JOINED)


def placeholder(seq: int, n: int, original: str = "message.posted") -> StoredRow:
    data = EventQuarantined(reason="refused", original_type=original, dead_letter="1-0")
    return row_of(seq, n, data, EventType.EVENT_QUARANTINED)


def event_of(row: StoredRow) -> RoomEvent:
    return RoomEvent(
        room=row.room,
        epoch=row.epoch,
        seq=row.seq,
        n=row.n,
        type=EventType(row.type),
        key=row.key,
        actor=row.actor,
        at=row.at,
        data=msgspec.Raw(row.data),
    )


def logged(row: StoredRow) -> Content:
    return content_of(event_of(row))


def marks(findings: Sequence[Finding]) -> list[tuple[Check, int | None, str]]:
    return [(one.check, one.seq, one.what) for one in findings]


# --- a room's events by themselves --------------------------------------------------------------

ROOM_ROWS = [join(1, 0), post(2, 1), post(3, 2), join(4, 2), post(5, 3)]


def sequence(
    rows: Sequence[StoredRow], stored_seq: int = 5, stored_n: int = 3, start: int = 1
) -> list[tuple[Check, int | None, str]]:
    before = ROOM_ROWS[start - 2] if start > 1 else None
    check = SequenceCheck(ROOM, SHARD, start, before)
    found = [one for row in rows for one in check.feed(row, typed_data(row)[1])]
    return marks([*found, *check.end(stored_seq, stored_n)])


def test_room_without_a_fault_has_no_finding() -> None:
    assert sequence(ROOM_ROWS) == []


def test_room_that_is_read_from_the_middle_has_no_finding() -> None:
    assert sequence(ROOM_ROWS[2:], start=3) == []


@pytest.mark.parametrize("lost", range(5))
def test_lost_event_is_a_gap_at_its_seq(lost: int) -> None:
    rows = ROOM_ROWS[:lost] + ROOM_ROWS[lost + 1 :]

    assert sequence(rows) == [(Check.SEQ, lost + 1, "events")]


def test_gap_names_all_that_is_missing() -> None:
    check = SequenceCheck(ROOM, SHARD, 1, None)

    [finding] = check.end(900, 0)

    assert (finding.seq, finding.expected, finding.found) == (1, "seq 1 to 900", "nothing")


def test_second_event_at_a_place_is_found() -> None:
    rows = [*ROOM_ROWS[:3], post(3, 2, id=200), *ROOM_ROWS[3:]]

    assert (Check.SEQ, 3, "event at this place") in sequence(rows)


def test_two_events_that_changed_places_are_found() -> None:
    rows = [*ROOM_ROWS[:1], post(2, 2, id=103), post(3, 1, id=102), *ROOM_ROWS[3:]]

    assert (Check.SEQ, 3, "order of storing") in sequence(rows)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (post(3, 3), (Check.N, 3, "n")),
        (post(3, 2, epoch=0), (Check.SEQ, 3, "epoch")),
        (post(3, 2, shard=2), (Check.SEQ, 3, "shard")),
    ],
)
def test_event_with_a_wrong_number_is_found(
    changed: StoredRow, expected: tuple[Check, int, str]
) -> None:
    rows = [*ROOM_ROWS[:2], changed, *ROOM_ROWS[3:]]

    assert expected in sequence(rows)


def test_watermark_that_is_not_the_last_event_is_found() -> None:
    assert sequence(ROOM_ROWS, stored_seq=4) == [(Check.WATERMARK, None, "stored_seq of the room")]
    assert sequence(ROOM_ROWS, stored_n=4) == [(Check.WATERMARK, None, "stored_n of the room")]


def test_placeholder_counts_as_the_message_it_stands_for() -> None:
    assert sequence([*ROOM_ROWS[:2], placeholder(3, 2), *ROOM_ROWS[3:]]) == []


def test_after_a_placeholder_of_something_unknown_either_number_is_right() -> None:
    unknown = placeholder(3, 1, original="")

    assert sequence([*ROOM_ROWS[:2], unknown, *ROOM_ROWS[3:]]) == []
    assert sequence([*ROOM_ROWS[:2], unknown, join(4, 1), post(5, 2)], stored_n=2) == []
    assert (Check.N, 4, "n") in sequence([*ROOM_ROWS[:2], unknown, join(4, 3), post(5, 4)])


# --- the log against PostgreSQL -------------------------------------------------------------------


def ingest(*rows: StoredRow) -> list[IngestEntry]:
    return [IngestEntry((row.seq, 0), logged(row)) for row in rows]


def log_findings(
    rows: Sequence[StoredRow],
    tail: Sequence[StoredRow],
    waiting: Sequence[StoredRow],
    *,
    stored_in_log: int | None = None,
    position: int | None = None,
    later_head: int | None = 5,
    letters: bool = False,
) -> list[tuple[Check, int | None, str]]:
    """Findings for a room with head 5 of which PostgreSQL has `rows`."""
    stored = rows[-1].seq if rows else 0
    in_log = RoomInLog(
        epoch=1,
        head=5,
        n=3,
        stored=stored if stored_in_log is None else stored_in_log,
        pages=[{row.seq: logged(row) for row in tail}],
    )
    check = LogCheck(ROOM, in_log, ingest(*waiting), later_head, lambda _: letters)
    found = [one for row in rows for one in check.feed(row, typed_data(row)[1])]
    up_to = StoredUpTo(stored, 1, (stored if position is None else position, 0))
    return marks([*found, *check.end(up_to)])


@pytest.mark.parametrize("stored", range(6))
def test_room_at_any_point_of_being_stored_has_no_finding(stored: int) -> None:
    told = ROOM_ROWS[stored:]  # the log was told and has trimmed
    not_told = ROOM_ROWS

    for waiting in (told, not_told):
        assert log_findings(ROOM_ROWS[:stored], ROOM_ROWS, waiting) == []


def test_tail_keeps_less_than_is_stored() -> None:
    assert log_findings(ROOM_ROWS, ROOM_ROWS[3:], []) == []
    assert log_findings(ROOM_ROWS, [], []) == []


def test_event_that_the_log_calls_stored_and_postgresql_lacks_is_found() -> None:
    found = log_findings(ROOM_ROWS[:4], ROOM_ROWS, [], stored_in_log=5)

    assert (Check.STORED, None, "events that the log calls stored") in found


def test_changed_body_is_found_and_not_shown() -> None:
    rows = [*ROOM_ROWS[:4], post(5, 3, "secret")]

    assert log_findings(rows, ROOM_ROWS, []) == [(Check.STORED, 5, "data")]


def test_other_text_of_the_same_json_value_is_the_same() -> None:
    rewritten = msgspec.structs.replace(
        ROOM_ROWS[4], data=b'{ "reply_to": null,\n "body": "h\\u0065llo" }'
    )

    assert log_findings([*ROOM_ROWS[:4], rewritten], ROOM_ROWS, []) == []


def test_hole_in_the_tail_is_found_stored_or_not() -> None:
    tail = [*ROOM_ROWS[:2], *ROOM_ROWS[3:]]

    assert log_findings(ROOM_ROWS, tail, []) == [(Check.LOGGED, 3, "hot tail entry")]
    assert log_findings(ROOM_ROWS[:2], tail, ROOM_ROWS[2:]) == [(Check.LOGGED, 3, "hot tail entry")]


def test_end_of_the_tail_that_is_missing_is_found() -> None:
    assert log_findings(ROOM_ROWS, ROOM_ROWS[:4], []) == [(Check.LOGGED, 5, "hot tail entry")]


def test_event_in_the_tail_alone_is_found() -> None:
    found = log_findings(ROOM_ROWS[:3], ROOM_ROWS, [ROOM_ROWS[4]])

    assert found == [(Check.LOGGED, 4, "ingest entry")]


def test_ingest_entry_that_the_cursor_passed_without_storing_it_is_found() -> None:
    found = log_findings(ROOM_ROWS[:4], ROOM_ROWS, ROOM_ROWS[4:], position=5)

    assert found == [(Check.STORED, 5, "ingest entry")]
    assert log_findings(ROOM_ROWS[:4], ROOM_ROWS, ROOM_ROWS[4:], position=5, letters=True) == []


def test_ingest_entry_that_the_log_never_gave_out_is_found() -> None:
    by_hand = post(6, 4)

    found = log_findings(ROOM_ROWS, ROOM_ROWS, [by_hand])

    assert found == [(Check.INGEST, 6, "ingest entry")]
    assert log_findings(ROOM_ROWS, ROOM_ROWS, [by_hand], later_head=6) == []


def test_entry_for_a_place_that_holds_something_else_is_found_unless_it_was_set_apart() -> None:
    other = msgspec.structs.replace(ROOM_ROWS[2], actor=8)

    assert log_findings(ROOM_ROWS, ROOM_ROWS, [other]) == [(Check.STORED, 3, "actor")]
    assert log_findings(ROOM_ROWS, ROOM_ROWS, [other], letters=True) == []


def test_placeholder_stands_for_what_was_logged_there() -> None:
    rows = [*ROOM_ROWS[:4], placeholder(5, 3)]

    assert log_findings(rows, ROOM_ROWS, []) == []
    assert log_findings([*ROOM_ROWS[:4], placeholder(5, 3, "")], ROOM_ROWS, []) == [
        (Check.STORED, 5, "type")
    ]


def test_tail_that_was_trimmed_between_two_reads_has_no_finding() -> None:
    pages: list[dict[int, Content | None]] = [
        {row.seq: logged(row) for row in ROOM_ROWS[:1]},
        {row.seq: logged(row) for row in ROOM_ROWS[3:]},
    ]
    check = LogCheck(ROOM, RoomInLog(1, 5, 3, 0, pages), [], 5, lambda _: False)
    for row in ROOM_ROWS:
        assert list(check.feed(row, typed_data(row)[1])) == []

    assert list(check.end(StoredUpTo(5, 1, (5, 0)))) == []


# --- placeholders ---------------------------------------------------------------------------------


def placeholders(data: EventQuarantined, *originals: StoredRow) -> list[str]:
    found = check_placeholders(
        [Placeholder(ROOM, 9, 109, data)],
        {"1-0"},
        {(row.room, row.seq): row for row in originals},
        set(),
    )
    return [one.found for one in found]


def test_placeholder_needs_its_dead_letter_or_an_earlier_event() -> None:
    kept = EventQuarantined(reason="refused", original_type="x", dead_letter="1-0")
    gone = EventQuarantined(reason="refused", original_type="x", dead_letter="2-0")
    repeat = EventQuarantined(reason="duplicate", original_type="x", duplicate_of=(ROOM, 3))
    neither = EventQuarantined(reason="refused", original_type="x")

    assert placeholders(kept) == []
    assert placeholders(gone) == ["nothing"]
    assert placeholders(neither) == ["none"]
    assert placeholders(repeat, ROOM_ROWS[2]) == []
    assert placeholders(repeat) == ["nothing"]
    assert placeholders(repeat, placeholder(3, 2)) == ["a placeholder"]
    assert placeholders(repeat, post(3, 2, id=110)) == ["a later one"]


def test_conflict_of_keys_needs_both() -> None:
    data = EventQuarantined(
        reason="key_conflict", original_type="x", dead_letter="2-0", duplicate_of=(ROOM, 3)
    )

    assert placeholders(data, ROOM_ROWS[2]) == ["nothing"]


# --- the bus --------------------------------------------------------------------------------------


def bus_findings(
    records: Sequence[StoredRow],
    *,
    expected: ExpectedRecords | None = None,
    trimmed: bool = False,
    windowed: bool = False,
    late: Collection[int] = (),
    rows: Sequence[StoredRow] = ROOM_ROWS,
    excused: bool = False,
    key: bytes = b"5",
) -> list[tuple[Check, int | None, str]]:
    by_seq = {row.seq: row for row in rows}
    rooms = {ROOM: expected or ExpectedRecords(SHARD, 1, 5)}
    check = EventBusCheck(rooms, trimmed=trimmed, windowed=windowed, excuse=lambda *_: excused)
    found = [
        one
        for record in records
        for one in check.feed(
            EventBusRecord(0, key, event_of(record)),
            by_seq.get(record.seq),
            late=record.seq in late,
        )
    ]
    found += check.end(lambda _, row_id: min(row.seq for row in rows if row.id >= row_id))
    return marks(found)


@pytest.mark.parametrize(
    "records",
    [
        ROOM_ROWS,
        [*ROOM_ROWS, *ROOM_ROWS],
        [*ROOM_ROWS[:3], *ROOM_ROWS[1:]],  # published again after a crash
        [*ROOM_ROWS[:2], ROOM_ROWS[0], *ROOM_ROWS[2:]],
    ],
)
def test_records_in_order_of_first_occurrence_have_no_finding(records: list[StoredRow]) -> None:
    assert bus_findings(records) == []


def test_what_comes_after_the_watermark_or_before_the_window_does_not_matter() -> None:
    assert bus_findings(ROOM_ROWS, expected=ExpectedRecords(SHARD, 1, 3)) == []
    assert bus_findings(ROOM_ROWS[3:], expected=ExpectedRecords(SHARD, 4, 5)) == []


@pytest.mark.parametrize("lost", range(5))
def test_lost_record_is_found(lost: int) -> None:
    records = ROOM_ROWS[:lost] + ROOM_ROWS[lost + 1 :]

    assert bus_findings(records) == [(Check.EXPORTED, lost + 1, "records")]


def test_record_that_came_late_is_found() -> None:
    records = [*ROOM_ROWS[:1], ROOM_ROWS[2], ROOM_ROWS[1], *ROOM_ROWS[3:]]

    assert bus_findings(records) == [(Check.EXPORTED, 2, "order of the records")]


def test_changed_record_is_found() -> None:
    records = [*ROOM_ROWS[:4], post(5, 3, "changed")]

    assert bus_findings(records) == [(Check.EXPORTED, 5, "data of the record")]


def test_record_of_an_event_that_was_never_stored_is_found() -> None:
    assert bus_findings([*ROOM_ROWS, post(6, 4)]) == [(Check.EXPORTED, 6, "record")]


def test_record_under_the_key_of_another_room_is_found() -> None:
    assert bus_findings(ROOM_ROWS[:1], expected=ExpectedRecords(SHARD, 1, 1), key=b"6") == [
        (Check.EXPORTED, 1, "key of the record")
    ]


def test_placeholder_that_was_published_before_its_event_is_excused() -> None:
    records = [*ROOM_ROWS[:4], placeholder(5, 3)]

    assert bus_findings(records, excused=True) == []
    assert (Check.EXPORTED, 5, "type of the record") in bus_findings(records)


def test_bus_may_have_dropped_its_beginning_but_nothing_after_it() -> None:
    assert bus_findings(ROOM_ROWS[2:], trimmed=True) == []
    assert bus_findings(ROOM_ROWS[2:]) == [(Check.EXPORTED, 1, "records")]
    assert bus_findings([ROOM_ROWS[2], ROOM_ROWS[4]], trimmed=True) == [
        (Check.EXPORTED, 4, "records")
    ]
    # Published again from the start, after the beginning had been dropped.
    assert bus_findings([*ROOM_ROWS[2:], *ROOM_ROWS], trimmed=True) == []


def test_window_may_begin_within_what_is_published_again() -> None:
    records = [*ROOM_ROWS[2:4], *ROOM_ROWS[1:]]

    assert bus_findings(records, expected=ExpectedRecords(SHARD, 2, 5), windowed=True) == []
    assert bus_findings(records, expected=ExpectedRecords(SHARD, 2, 5)) == [
        (Check.EXPORTED, 2, "order of the records")
    ]
    swapped = [ROOM_ROWS[1], ROOM_ROWS[3], ROOM_ROWS[2], ROOM_ROWS[4]]
    assert bus_findings(swapped, expected=ExpectedRecords(SHARD, 2, 5), windowed=True) == [
        (Check.EXPORTED, 3, "order of the records")
    ]


@pytest.mark.parametrize(
    "records",
    [
        [ROOM_ROWS[0], *ROOM_ROWS[2:]],
        [*ROOM_ROWS[2:], ROOM_ROWS[0]],
        [ROOM_ROWS[0]],
        [ROOM_ROWS[0], *ROOM_ROWS[3:], *ROOM_ROWS[2:]],  # and published again
    ],
)
def test_event_that_replaced_its_placeholder_late_tells_nothing_of_a_trimmed_bus(
    records: list[StoredRow],
) -> None:
    assert bus_findings(records, trimmed=True, late=[1]) == []


def test_what_a_trimmed_bus_lost_is_found_beside_an_event_that_came_late() -> None:
    records = [ROOM_ROWS[0], ROOM_ROWS[2], ROOM_ROWS[4]]

    assert bus_findings(records, trimmed=True, late=[1]) == [(Check.EXPORTED, 4, "records")]


# --- small parts ----------------------------------------------------------------------------------


@given(strategies.lists(strategies.integers(1, 30)), strategies.integers(1, 30))
def test_seq_ranges_are_a_set(seqs: list[int], last: int) -> None:
    ranges, known = SeqRanges(), set[int]()

    for seq in seqs:
        assert ranges.add(seq) == (seq not in known)
        known.add(seq)

    assert [seq in ranges for seq in range(32)] == [seq in known for seq in range(32)]
    assert ranges.highest == max(known, default=0)
    missing = [seq for low, high in ranges.missing(1, last) for seq in range(low, high + 1)]
    assert missing == [seq for seq in range(1, last + 1) if seq not in known]


def test_what_is_not_json_has_a_digest_of_its_own() -> None:
    assert data_digest(b"{") != data_digest(b'"{"')
    assert data_digest(b'{"a": 1, "b": 2}') == data_digest(b'{"b":2,"a":1}')


def test_findings_beyond_the_limit_are_counted() -> None:
    findings = Findings(limit=2)
    findings.add(Finding(Check.SEQ, 1, seq, "events", "one", "none") for seq in range(5))

    assert (len(findings.named), findings.unnamed, findings.count) == (2, 3, 5)
    assert str(findings.named[1]) == "seq: room 1 seq 1: events: expected one, found none"
