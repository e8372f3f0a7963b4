"""A history sorted by subject: requests, and what each connection was shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.drill import history
from tests.drill.history import AnyRecord, Seen


@dataclass
class Operation:
    """A request and its outcome, as its author knows it."""

    key: str
    client: str
    actor: int
    type: str
    room: int
    digest: str
    invoked: float
    attempts: list[tuple[int, int]] = field(default_factory=list)  # (conn, tx)
    acks: list[history.Ok] = field(default_factory=list)
    unknown: int = 0  # transmissions that may or may not have had an effect
    refused: int = 0
    given_up: bool = False

    @property
    def is_acknowledged(self) -> bool:
        return bool(self.acks)

    @property
    def is_refused(self) -> bool:
        """Every transmission was refused, so it must have had no effect."""
        return not self.acks and self.refused == len(self.attempts) > 0

    @property
    def is_indefinite(self) -> bool:
        return not self.acks and not self.is_refused


@dataclass
class Shown:
    """What a connection was shown of a room: pushed events and answers to `sync`."""

    client: str
    conn: int
    start: int  # the first push begins with the next seq
    runs: list[tuple[int, list[Seen]]] = field(default_factory=list)  # (after, pushed events)
    batches: list[tuple[int, list[Seen]]] = field(default_factory=list)


@dataclass
class Connection:
    client: str
    conn: int
    positions: dict[int, tuple[int, int]]
    sent: list[tuple[str, int]] = field(default_factory=list)  # (key, tx) in sending order
    rooms: dict[int, Shown] = field(default_factory=dict)


class Operations:
    """Everything the judge looks at. Raises: KeyError for a record whose origin is missing."""

    def __init__(self, records: Iterable[AnyRecord]) -> None:
        self.of: dict[str, Operation] = {}
        self.connections: dict[int, Connection] = {}
        self.ended: dict[str, dict[int, int]] = {}
        self.resets = 0
        for record in records:
            self._add(record)

    def shown(self) -> Iterable[tuple[int, Shown]]:
        for connection in self.connections.values():
            yield from connection.rooms.items()

    def _add(self, record: AnyRecord) -> None:
        match record:
            case history.Invoke():
                self.of[record.key] = Operation(
                    record.key,
                    record.client,
                    record.actor,
                    record.type,
                    record.room,
                    record.digest,
                    record.at,
                )
            case history.Attempt():
                self.of[record.key].attempts.append((record.conn, record.tx))
                self.connections[record.conn].sent.append((record.key, record.tx))
            case history.Ok():
                self.of[record.key].acks.append(record)
            case history.Fail():
                self.of[record.key].refused += 1
            case history.Info():
                self.of[record.key].unknown += 1
            case history.GivenUp():
                self.of[record.key].given_up = True
            case history.Ended():
                self.ended[record.client] = record.positions
            case _:
                self._add_shown(record)

    def _add_shown(self, record: AnyRecord) -> None:
        match record:
            case history.Opened():
                self.connections[record.conn] = Connection(
                    record.client, record.conn, record.positions
                )
            case history.Welcomed():
                connection = self.connections[record.conn]
                for room, (_, head) in record.rooms.items():
                    _, start = connection.positions.get(room, (0, head))
                    self._start(connection, room, start)
            case history.WasReset():
                self.resets += 1
                self._start(self.connections[record.conn], record.room, record.head)
            case history.Frame():
                shown = self.connections[record.conn].rooms[record.room]
                shown.runs[-1][1].extend(record.events)
            case history.Batch():
                shown = self.connections[record.conn].rooms[record.room]
                shown.batches.append((record.after, record.events))

    @staticmethod
    def _start(connection: Connection, room: int, after: int) -> None:
        shown = connection.rooms.setdefault(room, Shown(connection.client, connection.conn, after))
        shown.runs.append((after, []))
