"""Histories written by hand, for the tests of the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from tests.drill import history
from tests.drill.checker import Final, Verdict, judge
from tests.drill.history import AnyRecord, Seen

ROOM = 5


def event(seq: int, key: str, *, n: int | None = None, body: str | None = None) -> Seen:
    """A message by person 1 at seq `seq`, as requested by `MadeHistory.send`."""
    return Seen(seq, seq if n is None else n, "message.posted", key, 1, body or f"digest of {key}")


@dataclass
class MadeHistory:
    """Adds records one after the other, a second apart."""

    records: list[AnyRecord] = field(default_factory=list)
    transmissions: int = 0

    def add(self, kind: type[history.Record], **fields: Any) -> None:
        self.records.append(kind(at=float(len(self.records)), **fields))  # type: ignore[arg-type]

    def connect(self, conn: int, client: str = "a", *, at: int = 0, resume: bool = True) -> None:
        """A connection that resumes after seq `at`, or begins at head `at`."""
        positions = {ROOM: (1, at)} if resume else {}
        self.add(history.Opened, client=client, conn=conn, web="web-1", positions=positions)
        self.add(history.Welcomed, conn=conn, rooms={ROOM: (1, at)})

    def invoke(self, key: str, client: str = "a") -> None:
        self.add(
            history.Invoke,
            client=client,
            actor=1,
            key=key,
            type="message.posted",
            room=ROOM,
            digest=f"digest of {key}",
        )

    def attempt(self, conn: int, key: str) -> int:
        self.transmissions += 1
        self.add(history.Attempt, conn=conn, tx=self.transmissions, key=key)
        return self.transmissions

    def send(self, conn: int, key: str) -> int:
        self.invoke(key)
        return self.attempt(conn, key)

    def ok(self, conn: int, tx: int, key: str, seq: int) -> None:
        place = {"room": ROOM, "epoch": 1, "seq": seq, "n": seq}
        self.add(history.Ok, conn=conn, tx=tx, key=key, **place)

    def unknown(self, conn: int, tx: int, key: str) -> None:
        self.add(history.Info, conn=conn, tx=tx, key=key, why="unavailable")

    def refuse(self, conn: int, tx: int, key: str) -> None:
        self.add(history.Fail, conn=conn, tx=tx, key=key, code="not_found")

    def show(self, conn: int, *events: Seen) -> None:
        self.add(history.Frame, conn=conn, room=ROOM, events=list(events))

    def end(self, client: str, seq: int) -> None:
        self.add(history.Ended, client=client, positions={ROOM: seq})

    def judge(self, stored: Sequence[Seen], bus: Sequence[Seen] | None = None) -> Verdict:
        """The verdict if `stored` is in PostgreSQL, and on the event bus unless `bus` is given."""
        published = stored if bus is None else bus
        return judge(self.records, Final(stored={ROOM: stored}, bus={ROOM: published}))


def good_history() -> tuple[MadeHistory, list[Seen]]:
    """Two people, three messages, one of them repeated after a lost answer; and what is stored."""
    made = MadeHistory()
    made.connect(1, "a")
    made.connect(2, "b")
    one = made.send(1, "one")
    two = made.send(1, "two")
    made.ok(1, one, "one", 1)
    made.show(2, event(1, "one"))
    made.unknown(1, two, "two")
    made.add(history.Closed, conn=1, why="cut")
    made.connect(3, "a", at=0)
    again = made.attempt(3, "two")
    made.show(3, event(1, "one"), event(2, "two"))
    made.ok(3, again, "two", 2)
    three = made.send(3, "three")
    made.show(2, event(2, "two"), event(3, "three"))
    made.show(3, event(3, "three"))
    made.ok(3, three, "three", 3)
    made.end("a", 3)
    made.end("b", 3)
    return made, [event(1, "one"), event(2, "two"), event(3, "three")]


def changed(of: Seen, **fields: Any) -> Seen:
    return msgspec.structs.replace(of, **fields)


def without(made: MadeHistory, key: str) -> MadeHistory:
    """The same history, as if `key` had never been requested."""
    return replace(made, records=[one for one in made.records if getattr(one, "key", "") != key])
