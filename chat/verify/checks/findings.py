"""What a verification reports: each difference with its place, never with message text."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

# I8. Otherwise the findings about a room that is gone altogether would fill the memory.
MAX_FINDINGS = 10_000


class Check(StrEnum):
    """What was compared. The names are values of a metric's label and part of the JSON report."""

    SEQ = "seq"  # 1, 2, 3 … without a gap or a repeat, in storage order
    N = "n"  # the running count of messages
    STORED = "stored"  # what the log calls stored is in PostgreSQL, with the same content
    LOGGED = "logged"  # events not stored yet are in both streams of the log
    INGEST = "ingest"  # the ingest stream holds only seqs the log assigned, for rooms that exist
    WATERMARK = "watermark"  # head, n, stored agree with the events
    PROJECTION = "projection"  # messages, reactions, members and room equal a replay of the events
    PLACEHOLDER = "placeholder"  # events that could not be stored are kept somewhere
    EXPORTED = "exported"  # exported events are on the event bus, in order, with the same content
    ROLLUP = "rollup"  # the analytics' sums match the events that they have counted


class Finding(msgspec.Struct, frozen=True):
    """One difference. `room` and `seq` are None where the subject has none, or no lasting one."""

    check: Check
    room: int | None
    seq: int | None
    what: str  # the thing compared: `data`, `membership of user 7`, …
    expected: str
    found: str

    def __str__(self) -> str:
        room = "no room" if self.room is None else f"room {self.room}"
        place = room if self.seq is None else f"{room} seq {self.seq}"
        return f"{self.check}: {place}: {self.what}: expected {self.expected}, found {self.found}"

    @property
    def subject(self) -> tuple[Check, int | None, int | None, str]:
        """What it is about, without the values: tells a lasting difference from a new one."""
        return self.check, self.room, self.seq, self.what


class Findings:
    """Collects findings: lists the first `limit` and counts the rest."""

    def __init__(self, limit: int = MAX_FINDINGS) -> None:
        self._limit = limit
        self.named: list[Finding] = []
        self.unnamed = 0

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if len(self.named) < self._limit:
                self.named.append(finding)
            else:
                self.unnamed += 1

    @property
    def count(self) -> int:
        return len(self.named) + self.unnamed
