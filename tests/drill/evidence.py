"""The part of a history that proves a violation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from tests.drill import history
from tests.drill.checker import Violation
from tests.drill.history import AnyRecord

# One violation rarely concerns more records; a message that everybody read is shown to 20 people.
LINES_EACH = 60
# Faults within this time before the first record of a slice belong to it.
FAULTS_BEFORE_SECONDS = 15.0


def slices(records: Iterable[AnyRecord], violations: Sequence[Violation]) -> list[list[str]]:
    """For each violation the records that concern it, as lines, and the faults around them."""
    by_key: defaultdict[str, set[int]] = defaultdict(set)
    by_place: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for index, violation in enumerate(violations):
        for key in violation.keys:
            by_key[key].add(index)
        if violation.room is not None and violation.seq is not None:
            by_place[violation.room, violation.seq].add(index)
    found: list[list[AnyRecord]] = [[] for _ in violations]
    faults: list[history.FaultNote] = []
    for record in records:
        if isinstance(record, history.FaultNote):
            faults.append(record)
            continue
        for index, part in _about(record, by_key, by_place):
            if len(found[index]) < LINES_EACH:
                found[index].append(part)
    return [_lines(some, faults) for some in found]


def _about(
    record: AnyRecord,
    by_key: defaultdict[str, set[int]],
    by_place: defaultdict[tuple[int, int], set[int]],
) -> Iterable[tuple[int, AnyRecord]]:
    """The violations that a record concerns, each with the record reduced to relevant events."""
    if isinstance(record, history.Frame | history.Batch):
        concerned: defaultdict[int, list[history.Seen]] = defaultdict(list)
        for event in record.events:
            indexes = by_place.get((record.room, event.seq), set())
            if event.key is not None:
                indexes = indexes | by_key.get(event.key, set())
            for index in indexes:
                concerned[index].append(event)
        for index, events in concerned.items():
            yield index, msgspec.structs.replace(record, events=events)
        return
    indexes = by_key.get(getattr(record, "key", ""), set())
    if isinstance(record, history.Ok):
        indexes = indexes | by_place.get((record.room, record.seq), set())
    for index in indexes:
        yield index, record


def _lines(records: Sequence[AnyRecord], faults: Sequence[history.FaultNote]) -> list[str]:
    if not records:
        return []
    first, last = records[0].at - FAULTS_BEFORE_SECONDS, records[-1].at
    around = [one for one in faults if first <= one.at <= last]
    ordered = sorted([*records, *around], key=lambda one: one.at)
    return [history.encode(one) for one in ordered]
