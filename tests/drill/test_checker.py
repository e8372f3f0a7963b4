"""The judge finds faults that were made on purpose, and nothing in a correct history.

A judge that was never shown a bad history proves nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from tests.drill import history
from tests.drill.checker import Final, Verdict, judge
from tests.drill.history import Recorder, Seen
from tests.drill.made_history import ROOM, MadeHistory, changed, event, good_history, without


def kinds(verdict: Verdict) -> set[str]:
    return set(verdict.kinds())


def test_good_history_has_no_violation() -> None:
    made, stored = good_history()

    verdict = made.judge(stored)

    assert verdict.violations == []
    assert verdict.acknowledged == 3
    assert verdict.settled_by_repeat == 1
    assert verdict.unknown_transmissions == 1


def test_lost_message_is_found() -> None:
    made, stored = good_history()

    verdict = made.judge(stored[:2])

    assert verdict.kinds()["LOST"] == 1
    assert [one.keys for one in verdict.violations if one.kind == "LOST"] == [("three",)]


def test_message_in_the_dead_letters_is_not_lost() -> None:
    made, stored = good_history()
    placeholder = Seen(3, 3, "event.quarantined", None, None, "reason")
    final = Final(stored={ROOM: [*stored[:2], placeholder]}, bus=None, letters=frozenset({"three"}))

    verdict = judge(made.records, final)

    assert "LOST" not in kinds(verdict)


def test_message_stored_twice_is_found() -> None:
    made, stored = good_history()

    verdict = made.judge([*stored, event(4, "two")])

    assert "DUP" in kinds(verdict)


def test_message_that_nobody_sent_is_found() -> None:
    made, stored = good_history()

    verdict = made.judge([*stored, event(4, "four")])

    assert "PHANTOM" in kinds(verdict)


def test_what_was_there_before_the_clients_is_no_phantom() -> None:
    made, stored = good_history()
    began = {ROOM: 1}

    verdict = judge(
        without(made, "one").records, Final(stored={ROOM: stored}, bus=None, began=began)
    )

    assert "PHANTOM" not in kinds(verdict)


def test_refused_message_that_is_stored_all_the_same_is_found() -> None:
    made, stored = good_history()
    tx = made.send(3, "four")
    made.refuse(3, tx, "four")

    verdict = made.judge([*stored, event(4, "four")])

    assert "PHANTOM" in kinds(verdict)
    assert "PHANTOM" not in kinds(made.judge(stored))


def test_two_messages_of_one_connection_that_are_swapped_are_found() -> None:
    made = MadeHistory()
    made.connect(1)
    first, second = made.send(1, "one"), made.send(1, "two")
    made.ok(1, second, "two", 1)
    made.ok(1, first, "one", 2)

    verdict = made.judge([event(1, "two"), event(2, "one")])

    assert kinds(verdict) == {"ORDER-1"}


def test_message_that_was_sent_again_may_be_behind_what_was_sent_after_its_first_try() -> None:
    made = MadeHistory()
    made.connect(1)
    first, second = made.send(1, "one"), made.send(1, "two")
    made.unknown(1, first, "one")
    made.ok(1, second, "two", 1)
    again = made.attempt(1, "one")
    made.ok(1, again, "one", 2)

    verdict = made.judge([event(1, "two"), event(2, "one")])

    assert verdict.violations == []


def test_message_placed_before_one_that_was_acknowledged_before_it_was_sent_is_found() -> None:
    made = MadeHistory()
    made.connect(1, "a")
    made.connect(2, "b")
    made.ok(1, made.send(1, "one"), "one", 2)
    made.ok(2, made.send(2, "two"), "two", 1)

    verdict = made.judge([event(1, "two"), event(2, "one")])

    assert kinds(verdict) == {"ORDER-2"}


def test_messages_that_were_under_way_at_the_same_time_have_any_order() -> None:
    made = MadeHistory()
    made.connect(1, "a")
    made.connect(2, "b")
    one, two = made.send(1, "one"), made.send(2, "two")
    made.ok(1, one, "one", 2)
    made.ok(2, two, "two", 1)

    verdict = made.judge([event(1, "two"), event(2, "one")])

    assert verdict.violations == []


def test_message_with_another_body_is_found() -> None:
    made, stored = good_history()

    verdict = made.judge([*stored[:2], changed(stored[2], digest="other")])

    assert "BODY" in kinds(verdict)


def test_text_that_was_left_out_because_it_was_replaced_is_nothing_wrong() -> None:
    made, stored = good_history()
    shown = [record for record in made.records if isinstance(record, history.Frame)]
    assert shown, "somebody is shown something in the good history"

    made.records[:] = [
        record
        if not isinstance(record, history.Frame)
        else structs.replace(
            record, events=[changed(one, digest=history.REDACTED) for one in record.events]
        )
        for record in made.records
    ]

    assert made.judge(stored).violations == []


def test_message_of_another_author_or_type_is_found() -> None:
    made, stored = good_history()

    assert "BODY" in kinds(made.judge([*stored[:2], changed(stored[2], actor=2)]))
    assert "BODY" in kinds(made.judge([*stored[:2], changed(stored[2], type="message.edited")]))


def test_message_stored_at_another_place_than_was_acknowledged_is_found() -> None:
    made = MadeHistory()
    made.connect(1)
    made.ok(1, made.send(1, "one"), "one", 1)
    made.ok(1, made.send(1, "two"), "two", 3)

    verdict = made.judge([event(1, "one"), event(2, "two")])

    assert kinds(verdict) == {"MOVED"}


def test_key_acknowledged_at_two_places_is_found() -> None:
    made, stored = good_history()
    made.ok(3, made.attempt(3, "two"), "two", 3)

    verdict = made.judge(stored)

    assert "MOVED" in kinds(verdict)


def test_message_that_was_seen_and_never_stored_is_found() -> None:
    made = MadeHistory()
    made.connect(1, "a")
    made.connect(2, "b")
    tx = made.send(1, "one")
    made.show(2, event(1, "one"))
    made.unknown(1, tx, "one")

    verdict = made.judge([])

    assert kinds(verdict) == {"ABORTED READ"}


def test_message_that_was_seen_where_another_is_stored_is_found() -> None:
    made = MadeHistory()
    made.connect(1, "a")
    made.connect(2, "b")
    one, two = made.send(1, "one"), made.send(1, "two")
    made.show(2, event(1, "one"))
    made.unknown(1, one, "one")
    made.ok(1, two, "two", 1)

    verdict = made.judge([event(1, "two")])

    assert kinds(verdict) == {"ABORTED READ"}


@pytest.mark.parametrize(
    ("shown", "what"),
    [([1, 3], "a gap"), ([1, 1, 2, 3], "a repeat"), ([1, 3, 2], "a swap"), ([2, 3], "no start")],
)
def test_reader_that_was_shown_events_wrongly_is_found(shown: list[int], what: str) -> None:
    made, stored = good_history()
    made.connect(9, "c")
    for seq in shown:
        made.show(9, stored[seq - 1])

    assert "ORDER-3" in kinds(made.judge(stored)), what


def test_reader_that_resumed_elsewhere_than_it_asked_is_found() -> None:
    made, stored = good_history()
    made.connect(9, "c", at=1)
    made.show(9, stored[2])

    assert "ORDER-3" in kinds(made.judge(stored))


def test_answer_to_sync_with_a_gap_is_found() -> None:
    made, stored = good_history()
    made.connect(9, "c", at=3, resume=False)
    made.add(history.Batch, conn=9, room=ROOM, after=0, events=[stored[0], stored[2]])

    assert "ORDER-3" in kinds(made.judge(stored))


def test_answer_to_sync_may_repeat_what_was_pushed() -> None:
    made, stored = good_history()
    made.connect(9, "c", at=2, resume=False)
    made.show(9, stored[2])
    made.add(history.Batch, conn=9, room=ROOM, after=0, events=stored)
    made.end("c", 3)

    assert made.judge(stored).violations == []


def test_reader_that_does_not_have_everything_in_the_end_is_found() -> None:
    made, stored = good_history()
    made.connect(9, "c")
    made.show(9, *stored[:2])
    made.end("c", 2)

    assert kinds(made.judge(stored)) == {"ORDER-3"}


def test_reader_that_was_reset_goes_on_from_there() -> None:
    made, stored = good_history()
    made.connect(9, "c")
    made.show(9, stored[0])
    made.add(history.WasReset, conn=9, room=ROOM, epoch=2, head=2)
    made.show(9, stored[2])
    made.end("c", 3)

    verdict = made.judge(stored)

    assert verdict.violations == []
    assert verdict.resets == 1


def test_gap_in_a_room_is_found() -> None:
    made = MadeHistory()
    made.connect(1)
    made.ok(1, made.send(1, "one"), "one", 1)
    made.ok(1, made.send(1, "two"), "two", 3)

    verdict = made.judge([event(1, "one"), event(3, "two", n=3)])

    assert {"SEQ", "N"} <= kinds(verdict)


def test_messages_counted_wrongly_are_found() -> None:
    made, stored = good_history()

    verdict = made.judge([*stored[:2], changed(stored[2], n=2)])

    assert "N" in kinds(verdict)


def test_message_missing_on_the_bus_is_found() -> None:
    made, stored = good_history()

    assert kinds(made.judge(stored, stored[:2])) == {"BUS"}


def test_message_published_with_other_content_is_found() -> None:
    made, stored = good_history()

    assert kinds(made.judge(stored, [*stored[:2], changed(stored[2], digest="other")])) == {"BUS"}


def test_message_published_and_not_stored_is_found() -> None:
    made, stored = good_history()

    assert kinds(made.judge(stored, [*stored, event(4, "four")])) == {"BUS"}


def test_messages_first_published_out_of_order_are_found() -> None:
    made, stored = good_history()

    assert kinds(made.judge(stored, [stored[0], stored[2], stored[1]])) == {"BUS ORDER"}


def test_bus_may_repeat_what_it_has_published_in_order() -> None:
    made, stored = good_history()

    verdict = made.judge(stored, [*stored, *stored[1:]])

    assert verdict.violations == []
    assert verdict.published_twice == 2


@pytest.mark.parametrize("applied", [True, False])
def test_request_without_an_answer_may_have_had_an_effect_once(applied: bool) -> None:
    made, stored = good_history()
    made.connect(9, "c", at=3)
    tx = made.send(9, "four")
    made.unknown(9, tx, "four")
    made.add(history.GivenUp, key="four")
    there = [*stored, event(4, "four")] if applied else stored
    for one in ("a", "b"):
        made.end(one, len(there))

    verdict = made.judge(there)

    assert verdict.violations == []
    assert (verdict.indefinite, verdict.indefinite_applied) == (1, int(applied))


def test_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    made, stored = good_history()
    with Recorder(tmp_path / "history.jsonl") as recorder:
        for record in made.records:
            fields = {
                name: getattr(record, name) for name in record.__struct_fields__ if name != "at"
            }
            recorder.write(type(record), **fields)

    found = list(history.read(recorder.path))

    assert [type(one) for one in found] == [type(one) for one in made.records]
    verdict = judge(found, Final(stored={ROOM: stored}, bus={ROOM: stored}))
    assert verdict.violations == []
    assert verdict.acknowledged == 3
