"""The judge: compares what people were told with what is there in the end. Pure.

| Violation | Meaning |
|---|---|
| LOST | acknowledged, but neither in PostgreSQL nor among the dead letters |
| MOVED | acknowledged at one place but stored at another, or acknowledged at two |
| DUP | one key at several places |
| PHANTOM | stored, but never requested, or every transmission was refused |
| BODY | stored, shown or published with content other than requested |
| ABORTED READ | shown to somebody but not stored, or stored as something else |
| ORDER-1 | sent later on the same connection, but placed earlier |
| ORDER-2 | requested after another was acknowledged, but placed before it |
| ORDER-3 | a reader was shown a gap, a repeat or a step back, or not everything in the end |
| SEQ, N | places of a room are not 1, 2, 3 …; messages are not counted right |
| BUS | stored but not published, or published but not stored or with other content |
| BUS ORDER | first published after an event that has a later place |

A request without any answer may be there once or not at all; `Verdict` counts both.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec
from msgspec import structs

from tests.drill.history import REDACTED, AnyRecord, Seen
from tests.drill.operations import Operation, Operations

PLACEHOLDER = "event.quarantined"
POSTED = "message.posted"


class Violation(msgspec.Struct, frozen=True):
    """`keys` and (room, seq) lead to the part of the history that proves it."""

    kind: str
    text: str
    room: int | None = None
    seq: int | None = None
    keys: tuple[str, ...] = ()


class Final(msgspec.Struct, frozen=True, kw_only=True):
    """What is there when everything has come to rest.

    `stored`: the events of each room in order of their seq. `bus`: each room's records in the
    order of the event bus; `None` leaves it out. `began`: each room's last seq before the first
    client came; clients did not request the events up to there. `letters`: keys of the dead
    letters.
    """

    stored: Mapping[int, Sequence[Seen]]
    bus: Mapping[int, Sequence[Seen]] | None
    began: Mapping[int, int] = {}
    letters: frozenset[str] = frozenset()


class Verdict(msgspec.Struct, kw_only=True):
    violations: list[Violation] = []
    acknowledged: int = 0
    refused: int = 0
    indefinite: int = 0  # requests whose author never learned the outcome
    indefinite_applied: int = 0
    unknown_transmissions: int = 0
    settled_by_repeat: int = 0  # acknowledged after a transmission without an answer
    connections: int = 0
    resets: int = 0
    shown: int = 0
    stored: int = 0
    published_twice: int = 0

    def kinds(self) -> Counter[str]:
        return Counter(one.kind for one in self.violations)


def judge(records: Iterable[AnyRecord], final: Final) -> Verdict:
    """What is wrong with a history. O(n log n)."""
    return Judge(Operations(records), final).judge()


class Judge:
    """Judges once."""

    def __init__(self, operations: Operations, final: Final) -> None:
        self._operations = operations
        self._final = final
        self._places: defaultdict[str, list[tuple[int, Seen]]] = defaultdict(list)
        for room, events in final.stored.items():
            for event in events:
                if event.key is not None:
                    self._places[event.key].append((room, event))
        self._at = {
            (room, event.seq): event for room, events in final.stored.items() for event in events
        }

    def judge(self) -> Verdict:
        checks = (
            self._check_places,
            self._check_requests,
            self._check_phantoms,
            self._check_order_of_connections,
            self._check_real_time,
            self._check_readers,
            self._check_completeness,
            self._check_bus,
        )
        verdict = self._count()
        verdict.violations = [violation for check in checks for violation in check()]
        return verdict

    def _count(self) -> Verdict:
        verdict = Verdict(
            connections=len(self._operations.connections),
            resets=self._operations.resets,
            stored=len(self._at),
        )
        for one in self._operations.of.values():
            verdict.acknowledged += one.is_acknowledged
            verdict.refused += one.is_refused
            verdict.unknown_transmissions += one.unknown
            verdict.settled_by_repeat += one.is_acknowledged and one.unknown > 0
            if one.is_indefinite:
                verdict.indefinite += 1
                verdict.indefinite_applied += bool(self._places.get(one.key))
        for _, shown in self._operations.shown():
            verdict.shown += sum(len(events) for _, events in shown.runs)
        for records in (self._final.bus or {}).values():
            verdict.published_twice += len(records) - len({record.seq for record in records})
        return verdict

    # The stored events by themselves

    def _check_places(self) -> Iterator[Violation]:
        for room, events in self._final.stored.items():
            for expected, event in enumerate(events, start=1):
                if event.seq != expected:
                    text = f"seq {expected} is expected and {event.seq} is there"
                    yield Violation("SEQ", text, room, expected)
                    break
            for before, event in pairwise(events):
                # The event behind a placeholder may have been a message.
                allowed = {before.n, before.n + 1}
                if event.type != PLACEHOLDER:
                    allowed = {before.n + (event.type == POSTED)}
                if event.n not in allowed:
                    text = f"n goes from {before.n} to {event.n} with a {event.type}"
                    yield Violation("N", text, room, event.seq)

    # The requests

    def _check_requests(self) -> Iterator[Violation]:
        for one in self._operations.of.values():
            places = self._places.get(one.key, [])
            if len(places) > 1:
                where = ", ".join(f"{room}:{event.seq}" for room, event in places)
                yield Violation("DUP", f"stored at {where}", one.room, keys=(one.key,))
            for room, event in places:
                if room != one.room or event.type != one.type or event.actor != one.actor:
                    text = (
                        f"{one.type} of {one.actor} is stored as {event.type} of {event.actor} "
                        f"in {room}"
                    )
                    yield Violation("BODY", text, room, event.seq, (one.key,))
                elif event.digest != one.digest:
                    yield Violation("BODY", "other content", room, event.seq, (one.key,))
            yield from self._check_acks(one, places)

    def _check_acks(
        self, one: Operation, places: Sequence[tuple[int, Seen]]
    ) -> Iterator[Violation]:
        for ack in one.acks:
            told = (ack.room, ack.seq, ack.n)
            if not places:
                if one.key not in self._final.letters:
                    text = f"acknowledged at seq {ack.seq} and not stored"
                    yield Violation("LOST", text, ack.room, ack.seq, (one.key,))
            elif told not in [(room, event.seq, event.n) for room, event in places]:
                room, event = places[0]
                text = f"acknowledged at seq {ack.seq} n {ack.n}, stored at {event.seq} n {event.n}"
                yield Violation("MOVED", text, room, event.seq, (one.key,))
        if len({(ack.room, ack.seq) for ack in one.acks}) > 1:
            yield Violation("MOVED", "acknowledged at two places", one.room, keys=(one.key,))

    def _check_phantoms(self) -> Iterator[Violation]:
        for room, events in self._final.stored.items():
            for event in events:
                if event.seq <= self._final.began.get(room, 0) or event.type == PLACEHOLDER:
                    continue
                one = self._operations.of.get(event.key or "")
                if one is None:
                    text = f"nobody requested this {event.type}"
                    yield Violation("PHANTOM", text, room, event.seq, (event.key or "",))
                elif one.is_refused:
                    yield Violation(
                        "PHANTOM", "the request was refused", room, event.seq, (one.key,)
                    )

    # Order

    def _seq(self, one: Operation) -> int | None:
        places = self._places.get(one.key)
        return places[0][1].seq if places else None

    def _check_order_of_connections(self) -> Iterator[Violation]:
        """A request first sent after a transmission that was acknowledged on the same connection
        must have a later place."""
        acked = {ack.tx for one in self._operations.of.values() for ack in one.acks}
        for connection in self._operations.connections.values():
            latest: dict[int, tuple[int, str]] = {}  # room → highest seq so far, its key
            for key, tx in connection.sent:
                one = self._operations.of[key]
                seq = self._seq(one)
                if seq is None:
                    continue
                is_first = one.attempts[0] == (connection.conn, tx)
                before = latest.get(one.room)
                if is_first and before is not None and seq < before[0]:
                    text = f"sent after the event at {before[0]}, but stored at {seq}"
                    yield Violation("ORDER-1", text, one.room, seq, (before[1], key))
                if tx in acked and (before is None or seq > before[0]):
                    latest[one.room] = (seq, key)

    def _check_real_time(self) -> Iterator[Violation]:
        """Sweep over time: no request may be placed before one acknowledged before it began."""
        by_room: defaultdict[int, list[tuple[float, int, int, str]]] = defaultdict(list)
        for one in self._operations.of.values():
            seq = self._seq(one)
            if seq is None:
                continue
            by_room[one.room].append((one.invoked, 0, seq, one.key))
            if one.acks:
                by_room[one.room].append((one.acks[0].at, 1, seq, one.key))
        for room, moments in by_room.items():
            highest, of = 0, ""
            for _, is_ack, seq, key in sorted(moments):
                if is_ack and seq > highest:
                    highest, of = seq, key
                elif not is_ack and seq < highest:
                    text = f"begun after {highest} was acknowledged, but stored at {seq}"
                    yield Violation("ORDER-2", text, room, seq, (of, key))

    # Readers

    def _check_readers(self) -> Iterator[Violation]:
        for room, shown in self._operations.shown():
            for after, events in (*shown.runs, *shown.batches):
                expected = after + 1
                for event in events:
                    who = f"{shown.client} on connection {shown.conn}"
                    if event.seq != expected:
                        text = f"{who} was shown {event.seq} where {expected} should follow"
                        yield Violation("ORDER-3", text, room, event.seq)
                    expected = event.seq + 1
                    yield from self._check_shown(room, event, who)

    def _check_shown(self, room: int, event: Seen, who: str) -> Iterator[Violation]:
        stands = self._at.get((room, event.seq))
        keys = (event.key or "",)
        if stands is None:
            text = f"{who} was shown an event that is not stored"
            yield Violation("ABORTED READ", text, room, event.seq, keys)
        elif (stands.key, stands.type) != (event.key, event.type):
            text = f"{who} was shown {event.type}, but {stands.type} is stored there"
            yield Violation("ABORTED READ", text, room, event.seq, (*keys, stands.key or ""))
        elif stands != (
            event if event.digest != REDACTED else structs.replace(event, digest=stands.digest)
        ):
            yield Violation("BODY", f"{who} was shown other content", room, event.seq, keys)

    def _check_completeness(self) -> Iterator[Violation]:
        for client, positions in self._operations.ended.items():
            for room, seq in positions.items():
                events = self._final.stored.get(room, ())
                last = events[-1].seq if events else 0
                if seq != last:
                    text = f"{client} has received up to {seq} of {last}"
                    yield Violation("ORDER-3", text, room, min(seq, last) + 1)

    # The event bus

    def _check_bus(self) -> Iterator[Violation]:
        if self._final.bus is None:
            return
        for room in self._final.stored.keys() | self._final.bus.keys():
            records = self._final.bus.get(room, ())
            latest: dict[int, Seen] = {}
            highest = 0
            for record in records:
                if record.seq not in latest and record.seq < highest:
                    text = f"first published after {highest}"
                    yield Violation("BUS ORDER", text, room, record.seq)
                highest = max(highest, record.seq)
                latest[record.seq] = record  # an event replaces its placeholder
            for event in self._final.stored.get(room, ()):
                published = latest.pop(event.seq, None)
                if published is None:
                    text = "stored and not published"
                    yield Violation("BUS", text, room, event.seq, (event.key or "",))
                elif published != event:
                    text = "published with other content"
                    yield Violation("BUS", text, room, event.seq, (event.key or "",))
            for seq in latest:
                yield Violation("BUS", "published and not stored", room, seq)
