"""Reads the event bus and has its events counted, for as long as the process lives.

Rule of the loop. While the event bus, PostgreSQL or the dead letters are unreachable, the
consumer waits with a growing pause. Then it reads the positions again, because it does not know
whether its last commit arrived. A record that is no event, or that PostgreSQL refuses, becomes a
dead letter and its place stays open. If too many are bad, the partition stops until a person has
looked (`--resume`); the others go on. Records that another process has counted meanwhile are
dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from django.db import DatabaseError, InterfaceError, connection

from analytics.counting import metrics, records, rollups
from analytics.counting.bus_reader import EventBusReader
from analytics.counting.dead_letters import DeadLetters
from analytics.counting.errors import DeadLetterLimitReached, Unavailable
from analytics.counting.records import Bad, BadReason
from analytics.counting.rollups import Batch, Counted
from chat.events import envelope

logger = logging.getLogger(__name__)

# Enough to make a transaction's fixed cost negligible; a second's work, so that stopping is quick.
BATCH_RECORDS = 5_000
READ_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
# How soon a stopped partition continues after somebody has resumed it.
LOOK_AGAIN_SECONDS = 5.0


class BackOff(Protocol):
    """See `analytics.host.Host.back_off`."""

    def __call__(self, failures: int, /, *, first: float, longest: float) -> float: ...


class Consumer:
    """One process's share of the work. `schema` names other tables than the default ones."""

    def __init__(
        self,
        open_reader: Callable[[], EventBusReader],
        letters: DeadLetters,
        *,
        schema: str | None = None,
        batch_records: int = BATCH_RECORDS,
        on_counted: Callable[[Counted], None] = lambda _: None,
        on_rolled_up: Callable[[Iterable[str | None], int], None] = lambda *_: None,
        stopping: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_reader = open_reader
        self._letters = letters
        self._schema = schema
        self._batch_records = batch_records
        self._on_counted = on_counted
        self._on_rolled_up = on_rolled_up
        self.stopping = stopping or threading.Event()
        self._clock = clock
        self._reader: EventBusReader | None = None
        self._at: dict[int, str] = {}
        self._to_place: set[int] = set()
        self._stopped: dict[int, float] = {}  # partition → when to try again

    def run(self, back_off: BackOff, between: Callable[[], None] = lambda: None) -> None:
        """Works until `stopping` is set; calls `between` now and then. Then closes everything.

        `back_off` says how long to wait after so many failures in a row.
        """
        failures = 0
        try:
            while not self.stopping.is_set():
                try:
                    self.step(READ_SECONDS)
                    between()
                    failures = 0
                except (Unavailable, DatabaseError, InterfaceError) as error:
                    failures += 1
                    metrics.FAILURES.inc()
                    # Only the class: texts of database errors can contain values.
                    reason = str(error) if isinstance(error, Unavailable) else type(error).__name__
                    logger.warning("not counting at the moment: %s", reason)
                    self._start_over(reopen=isinstance(error, Unavailable))
                    self.stopping.wait(
                        back_off(failures, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS)
                    )
        finally:
            self.close()

    @property
    def stopped(self) -> set[int]:
        """This process's partitions that a person has to look at."""
        return set(self._stopped)

    def step(self, wait_seconds: float) -> Counted:
        """Reads once and counts the result.

        Raises: Unavailable, DatabaseError, InterfaceError; `run` says what to do then.
        """
        if self._reader is None:
            self._reader = self._open_reader()
        reader = self._reader
        self._place(reader)
        now = datetime.now(UTC)
        batches = [
            Batch(
                partition,
                self._at[partition],
                [records.read(one, now) for one in found],
                reader.waiting(partition),
            )
            for partition, found in reader.read(self._batch_records, wait_seconds).items()
            if partition in self._at
        ]
        total = Counted()
        if batches:
            began, began_ns = self._clock(), time.time_ns()
            self._count(reader, batches, total)
            self._on_rolled_up(
                (envelope.traceparent(one.value) for batch in batches for one in batch.read),
                began_ns,
            )
            metrics.BATCH_SECONDS.observe(self._clock() - began)
            _measure(batches, total)
            self._on_counted(total)
            if total.fenced:
                self.stopping.wait(reader.standby_seconds)
        return total

    def close(self) -> None:
        """Gives up the partitions and the connections."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        connection.close()

    def _start_over(self, *, reopen: bool) -> None:
        """Starts as a new process would, but keeps its group membership if that is still good."""
        connection.close()
        self._to_place |= self._at.keys()
        if reopen and self._reader is not None:
            self._reader.close()
            self._reader = None
            self._at.clear()
            self._to_place.clear()

    def _place(self, reader: EventBusReader) -> None:
        """Tells the reader where to begin in partitions that need it."""
        now = self._clock()
        due = {partition for partition, again in self._stopped.items() if again <= now}
        wanted = (reader.unplaced() - self._stopped.keys()) | self._to_place | due
        if not wanted:
            return
        found = rollups.positions(reader.name, wanted, self._schema)
        for partition in wanted:
            position = found.get(partition)
            if position is None:
                self._rest(reader, partition)
            else:
                reader.seek(partition, position)
                self._at[partition] = position
                self._stopped.pop(partition, None)
        self._to_place.clear()
        metrics.STOPPED.set(len(self._stopped))

    def _rest(self, reader: EventBusReader, partition: int) -> None:
        """Leaves a stopped partition alone for a while."""
        reader.pause(partition)
        self._at.pop(partition, None)
        self._stopped[partition] = self._clock() + LOOK_AGAIN_SECONDS

    def _count(self, reader: EventBusReader, batches: Sequence[Batch], total: Counted) -> None:
        """Counts `batches` in one transaction, or in parts if PostgreSQL refuses something."""
        good = [batch for batch in batches if self._keep_bad(reader, batch)]
        if not good:
            return
        try:
            counted = rollups.count(reader.name, good, self._schema)
        except DatabaseError as error:
            if not self._letters.is_data_error(error):
                raise
            self._isolate(reader, good, error, total)
            return
        for batch in good:
            if batch.partition in counted.fenced:
                metrics.FENCED.inc()
                self._at.pop(batch.partition, None)
                self._to_place.add(batch.partition)
                continue
            self._letters.passed(batch.partition, len(_bad(batch)), len(batch.read))
            self._at[batch.partition] = batch.end
            reader.passed(batch.partition, batch.end)
        _add(total, counted)

    def _keep_bad(self, reader: EventBusReader, batch: Batch) -> bool:
        """Adds bad records to the dead letters; False, with none added, if there are too many.
        Done before the commit: after a crash in between it is repeated, which changes nothing."""
        bad = _bad(batch)
        try:
            self._letters.check(batch.partition, len(bad), len(batch.read))
        except DeadLetterLimitReached as error:
            logger.error("partition %s stopped at %r: %s", batch.partition, batch.begin, error)
            rollups.stop(reader.name, batch.partition, batch.begin, str(error), self._schema)
            self._rest(reader, batch.partition)
            return False
        for one in bad:
            self._letters.add(reader.name, batch.partition, one)
        return True

    def _isolate(
        self, reader: EventBusReader, batches: Sequence[Batch], error: DatabaseError, total: Counted
    ) -> None:
        """Halves what PostgreSQL refuses until the offending record is isolated."""
        if len(batches) > 1:
            for batch in batches:
                self._count(reader, [batch], total)
            return
        [batch] = batches
        if len(batch.read) == 1:
            self._count(reader, [_refused(batch, error)], total)
            return
        middle = len(batch.read) // 2
        first = msgspec.structs.replace(batch, read=batch.read[:middle])
        self._count(reader, [first], total)
        if self._at.get(batch.partition) == first.end:
            rest = msgspec.structs.replace(batch, begin=first.end, read=batch.read[middle:])
            self._count(reader, [rest], total)


def _refused(batch: Batch, error: DatabaseError) -> Batch:
    """The batch with its only event as a bad record. Raises: `error` if it is one already."""
    [one] = batch.read
    if isinstance(one, Bad):
        raise Unavailable("PostgreSQL refuses to move the position.") from error
    bad = Bad(
        one.position,
        b"%d" % one.event.room,
        one.value,
        BadReason.INVALID,
        f"PostgreSQL refused it: {type(error).__name__}.",
        one.event.room,
        one.event.seq,
    )
    return msgspec.structs.replace(batch, read=[bad])


def _bad(batch: Batch) -> list[Bad]:
    return [one for one in batch.read if isinstance(one, Bad)]


def _add(total: Counted, counted: Counted) -> None:
    total.events += counted.events
    total.repeats += counted.repeats
    total.placeholders += counted.placeholders
    total.bad += counted.bad
    total.fenced |= counted.fenced
    if counted.newest is not None:
        total.newest = max(counted.newest, total.newest or counted.newest)


def _measure(batches: Sequence[Batch], total: Counted) -> None:
    for outcome, number in (
        ("counted", total.events),
        ("repeat", total.repeats),
        ("placeholder", total.placeholders),
        ("bad", total.bad),
    ):
        metrics.EVENTS.labels(outcome=outcome).inc(number)
    for batch in batches:
        if batch.waiting is not None:
            metrics.WAITING.labels(partition=batch.partition).set(batch.waiting)
    if total.newest is not None:
        metrics.DELAY.set(max(0.0, (datetime.now(UTC) - total.newest).total_seconds()))
