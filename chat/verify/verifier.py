"""Verifies rooms, shard by shard, and looks at every suspect a second time before it is reported.

On a live system everything moves. The order of reading (log, PostgreSQL, event bus: see
`room_verification`) makes events on their way look right. An event that still looks wrong, because
it was retried or put back between two reads, does not look wrong twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby

import msgspec
from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

from chat import events
from chat.errors import RetryableError
from chat.event_bus import EventBus
from chat.verify.checks.event_bus_checks import ExpectedRecords
from chat.verify.checks.findings import Finding, Findings
from chat.verify.deadline import Clock, Deadline, NoTimeLeft
from chat.verify.event_bus_verification import check_event_bus
from chat.verify.readers import log_reader, stored_reader
from chat.verify.readers.log_reader import IngestIndex
from chat.verify.rollup_checks import ROOMS, check_rollups, check_totals
from chat.verify.room_verification import RoomVerification
from chat.verify.shard_checks import check_epoch, check_strays

# Longer than a drain needs from its commit to reporting it to the log, or a retry for its
# transaction.
PAUSE_SECONDS = 1.0
# Shares of the available time by which the first look must be through with the rooms, the event
# bus and the rollups. The second look gets the rest: what was seen only once is not reported.
ROOMS_SHARE = 0.5
BUS_SHARE = 0.7
ROLLUPS_SHARE = 0.8


class VerificationReport(msgspec.Struct, kw_only=True):
    """What a verification read and found; `findings` is empty when everything is as promised."""

    started_at: datetime
    seconds: float = 0.0
    rooms: int = 0
    events: int = 0
    bus_records: int = 0
    suspects: int = 0  # differences at the first look
    left: list[int] = []  # rooms for which there was no time
    bus_left: list[int] = []  # rooms for which there was no time to read all records
    rollups_left: list[int] = []  # rooms whose sums there was no time to compare
    findings: list[Finding] = []
    findings_not_listed: int = 0

    @property
    def violations(self) -> int:
        return len(self.findings) + self.findings_not_listed

    @property
    def unfinished(self) -> set[int]:
        """Rooms of which something was not looked at, or not twice."""
        return {*self.left, *self.bus_left, *self.rollups_left}


class _Deadlines(msgspec.Struct, frozen=True):
    """When a look must be through with each part."""

    rooms: Deadline
    bus: Deadline
    rollups: Deadline


class Progress(msgspec.Struct, frozen=True):
    """How far a verification is. `total` counts stored events; the event bus has about as many."""

    doing: str
    done: int
    total: int


class Verifier:
    """Verifies once. `since` limits it to later events; without `bus` it ends at PostgreSQL. The
    report names what there was no time for within `seconds`, if given."""

    def __init__(
        self,
        shards: int,
        bus: EventBus | None,
        *,
        since: datetime | None = None,
        seconds: float = math.inf,
        on_progress: Callable[[Progress], None] = lambda _: None,
        pause: Callable[[], None] = lambda: time.sleep(PAUSE_SECONDS),
        clock: Clock = time.monotonic,
    ) -> None:
        self._shards = shards
        self._bus = bus
        self._since = since
        self._seconds = seconds
        self._on_progress = on_progress
        self._pause = pause
        self._clock = clock

    def verify(self, rooms: Sequence[int] | None = None) -> VerificationReport:
        """Verify `rooms`, or all in which something happened since `since`.

        Raises: RetryableError when the log, PostgreSQL or the event bus is down.
        """
        try:
            return self._verify(rooms)
        except (RedisError, OSError) as error:
            raise RetryableError("The log does not answer.") from error
        except (OperationalError, InterfaceError) as error:
            raise RetryableError("The database does not answer.") from error

    def _verify(self, rooms: Sequence[int] | None) -> VerificationReport:
        begun = time.monotonic()
        report = VerificationReport(started_at=datetime.now(UTC))
        *first, for_all = (
            Deadline(self._seconds * share, self._clock)
            for share in (ROOMS_SHARE, BUS_SHARE, ROLLUPS_SHARE, 1)
        )
        suspects = self._look(
            self._choose(rooms), report, _Deadlines(*first), everything=rooms is None
        )
        report.suspects = suspects.count
        if suspects.count:
            self._pause()
            self._look_again(suspects, report, for_all)
        report.seconds = time.monotonic() - begun
        return report

    def _choose(self, rooms: Sequence[int] | None) -> list[tuple[int, int]]:
        """(room, stored seq) of the rooms to verify, shard by shard."""
        if rooms is not None or self._since is None:
            return stored_reader.find_rooms(self._shards, rooms)
        since_ms = int(self._since.timestamp() * 1000)
        active = [
            room
            for shard in range(self._shards)
            for room in log_reader.active_rooms(shard, since_ms)
        ]
        return stored_reader.find_rooms(self._shards, since=self._since, active=active)

    def _look_again(
        self, suspects: Findings, report: VerificationReport, deadline: Deadline
    ) -> None:
        """Put the suspects that are still wrong into the report, with their present values."""
        ids = {one.room for one in suspects.named if one.room is not None}
        chosen = stored_reader.find_rooms(self._shards, sorted(ids))
        without_room = len(chosen) < len(ids) or any(one.room is None for one in suspects.named)
        second = VerificationReport(started_at=report.started_at)
        deadlines = _Deadlines(deadline, deadline, deadline)
        again = self._look(chosen, second, deadlines, everything=without_room)
        before = {one.subject for one in suspects.named}
        report.findings = [one for one in again.named if one.subject in before]
        report.findings_not_listed = min(suspects.unnamed, again.unnamed)
        # A suspect that was looked at only once is neither right nor wrong.
        report.left = sorted({*report.left, *second.left})
        report.bus_left = sorted({*report.bus_left, *second.bus_left})
        report.rollups_left = sorted({*report.rollups_left, *second.rollups_left})

    def _look(
        self,
        rooms: Sequence[tuple[int, int]],
        report: VerificationReport,
        deadlines: _Deadlines,
        *,
        everything: bool,
    ) -> Findings:
        """`everything`: besides `rooms`, also look at what belongs to no existing room."""
        findings = Findings()
        exported: dict[int, ExpectedRecords] = {}
        total = sum(seq for _, seq in rooms)
        by_shard = {
            shard: [room for room, _ in group]
            for shard, group in groupby(rooms, lambda one: events.shard_of(one[0], self._shards))
        }
        for shard in range(self._shards) if everything else by_shard:
            findings.add(check_epoch(shard))
            ingest = IngestIndex(shard)
            for room in by_shard.get(shard, ()):
                verification = RoomVerification(room, shard, self._since, deadlines.rooms)
                try:
                    deadlines.rooms.check()
                    findings.add(verification.run(ingest))
                except NoTimeLeft:
                    report.left.append(room)
                    continue
                if verification.exported is not None:
                    exported[room] = verification.exported
                report.rooms += 1
                report.events += verification.events
                self._on_progress(Progress(f"room {room}", report.events, total))
            if everything:
                findings.add(check_strays(shard, ingest))
        if self._bus is not None and (everything or exported):
            try:
                self._look_at_event_bus(
                    self._bus, exported, report, findings, deadlines.bus, everything=everything
                )
            except NoTimeLeft:
                report.bus_left += exported
        left = set(report.left)
        looked_at = [room for room, _ in rooms if room not in left]
        self._look_at_rollups(looked_at, report, findings, deadlines.rollups, everything=everything)
        return findings

    def _look_at_event_bus(
        self,
        bus: EventBus,
        exported: dict[int, ExpectedRecords],
        report: VerificationReport,
        findings: Findings,
        deadline: Deadline,
        *,
        everything: bool,
    ) -> None:
        total = sum(one.last - one.first + 1 for one in exported.values())

        def count(records: int) -> None:
            report.bus_records += records
            done = min(report.bus_records, total)
            self._on_progress(Progress(f"bus {bus.name}", done, total))

        findings.add(
            check_event_bus(
                bus,
                exported,
                all_rooms=everything,
                since=self._since,
                deadline=deadline,
                on_records=count,
            )
        )

    def _look_at_rollups(
        self,
        rooms: Sequence[int],
        report: VerificationReport,
        findings: Findings,
        deadline: Deadline,
        *,
        everything: bool,
    ) -> None:
        for first in range(0, len(rooms), ROOMS):
            try:
                findings.add(check_rollups(rooms[first : first + ROOMS], self._since, deadline))
            except NoTimeLeft:
                report.rollups_left += rooms[first:]
                return
        if everything:
            with suppress(NoTimeLeft):  # the totals belong to no room
                findings.add(check_totals(deadline))
