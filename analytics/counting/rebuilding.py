"""Counts the whole event bus again, into new tables, and replaces the old tables by them.

Reading and counting go on meanwhile. The new tables are in a schema beside the old ones; the
positions are among them, so an interrupted rebuild resumes where it was. The swap is one
transaction that moves tables and copies nothing. A consumer that holds a batch at that moment is
fenced, because the positions have changed, and continues from the new positions: what it meets a
second time is a repeat.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model

from analytics.counting import statements
from analytics.counting.bus_reader import EventBusReader
from analytics.counting.consumer import Consumer
from analytics.counting.dead_letters import DeadLetters
from analytics.counting.places import MISSING
from analytics.counting.rollups import set_up_transaction
from analytics.counting.statements import run
from analytics.models import CountedRoom, OpenPlaces
from chat.events.positions import as_pair

SCHEMA = "analytics_rebuild"
GROUP = "veche-analytics-rebuild"
READ_SECONDS = 1.0
# How long to wait at a time for a page or a dump that reads the old tables.
SWAP_LOCK_MS = 3_000

_KINDS = """
    INSERT INTO analytics_countedroom
        (room, seq, kind, slug, name, name_seq, archived, archived_seq)
    SELECT room, 0, kind, '', '', 0, false, 0 FROM {schema}.analytics_countedroom
"""


class Lost(msgspec.Struct, frozen=True):
    """Events that are counted now, seq `first` to `last`, but are no longer on the event bus."""

    room: int
    first: int
    last: int


class Rebuild:
    """One run. `on_progress` receives how many of how many events are counted."""

    def __init__(
        self,
        open_reader: Callable[[], EventBusReader],
        letters: DeadLetters,
        *,
        stopping: threading.Event,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        batch_records: int = 5_000,
    ) -> None:
        self._open_reader = open_reader
        self._stopping = stopping
        self._on_progress = on_progress
        self._consumer = Consumer(
            open_reader, letters, schema=SCHEMA, stopping=stopping, batch_records=batch_records
        )

    def run(self) -> bool:
        """Counts up to the present end of the bus; False if it was stopped before.

        Raises: Unavailable, DatabaseError; nothing is lost by running it again.
        """
        ensure_tables()
        reader = self._open_reader()
        try:
            ends = {partition: as_pair(end) for partition, end in reader.ends().items()}
        finally:
            reader.close()
        total = _counted(None)
        self._on_progress(_counted(SCHEMA), total)
        try:
            while not _reached(reader.name, ends):
                if self._stopping.is_set():
                    return False
                self._consumer.step(READ_SECONDS)
                self._on_progress(min(_counted(SCHEMA), total), total)
        finally:
            self._consumer.close()
        return True


def models() -> list[type[Model]]:
    """All models, in the order in which counting locks their tables."""
    return list(apps.get_app_config("analytics").get_models())


def exists() -> bool:
    """Whether a rebuild has begun and not ended. Raises: DatabaseError."""
    [(found,)] = run("SELECT to_regclass(%s) IS NOT NULL", f"{SCHEMA}.analytics_countedroom")
    return bool(found)


def ensure_tables() -> None:
    """Creates the empty tables, with the names of everything in them, unless they exist.

    They know from the start of which kind each room is. That never changes; and if a room's first
    event comes late on the bus, no words would be counted until then.
    """
    if exists():
        return
    with connection.schema_editor(atomic=True) as editor:
        [(schema,)] = run("SELECT current_schema()")
        live = connection.ops.quote_name(schema)
        editor.execute(f"CREATE SCHEMA {SCHEMA}")
        editor.execute(f"SET LOCAL search_path = {SCHEMA}")
        for model in models():
            editor.create_model(model)
        editor.execute(_KINDS.format(schema=live))


def abandon() -> bool:
    """Drops what a rebuild has created; False if there was nothing. Raises: DatabaseError."""
    if not exists():
        return False
    with transaction.atomic(durable=True):
        run(f"DROP SCHEMA {SCHEMA} CASCADE")
    return True


def read_all_again() -> None:
    """Makes every bus be read from its beginning. Counted events stay and are not counted again.

    For a bus that was emptied and gets everything once more, so that old positions on it have no
    meaning. An interrupted rebuild is given up. Raises: DatabaseError.
    """
    abandon()
    with transaction.atomic(durable=True):
        run(statements.FORGET_POSITIONS)


def lost() -> list[Lost]:
    """What is counted in the old tables but missing in the new ones, once these are filled.

    Raises: DatabaseError.
    """
    with transaction.atomic(durable=True):
        old = _rooms(None)
        new = _rooms(SCHEMA)
    found = []
    for room, (seq, gaps) in old.items():
        new_seq, new_gaps = new.get(room, (0, []))
        if new_seq < seq:
            new_gaps = [*new_gaps, (new_seq + 1, seq, MISSING)]
        known_gaps = {place for first, last, _ in gaps for place in (first, last)}
        found += [
            Lost(room, first, last)
            for first, last, reason in new_gaps
            if reason == MISSING
            and first <= seq
            and not any(one <= first and last <= other for one, other, _ in gaps)
            and not (first in known_gaps and last in known_gaps)
        ]
    return found


def swap() -> None:
    """Replaces the old tables by the new ones.

    Raises: OperationalError if somebody reads the old ones for too long; try again.
    """
    with transaction.atomic(durable=True):
        [(schema,)] = run("SELECT current_schema()")
        live = connection.ops.quote_name(schema)
        run(f"SET LOCAL lock_timeout = {SWAP_LOCK_MS}")
        tables = [connection.ops.quote_name(model._meta.db_table) for model in models()]
        # The order of `analytics.counting.rollups`: the positions first, then the rooms.
        run(f"LOCK TABLE {', '.join(f'{live}.{table}' for table in tables)}")
        for table in tables:
            run(f"DROP TABLE {live}.{table}")
            run(f"ALTER TABLE {SCHEMA}.{table} SET SCHEMA {live}")
        run(f"DROP SCHEMA {SCHEMA}")


def _rooms(schema: str | None) -> dict[int, tuple[int, list[tuple[int, int, str]]]]:
    set_up_transaction(schema)
    found: dict[int, tuple[int, list[tuple[int, int, str]]]] = {
        room: (seq, []) for room, seq in CountedRoom.objects.values_list("room", "seq")
    }
    for room, first, last, reason in OpenPlaces.objects.values_list(
        "room", "first", "last", "reason"
    ):
        found[room][1].append((first, last, reason))
    return found


def _counted(schema: str | None) -> int:
    """The approximate number of counted events: open places are few."""
    with transaction.atomic(durable=True):
        set_up_transaction(schema)
        [(total,)] = run("SELECT COALESCE(sum(seq), 0)::bigint FROM analytics_countedroom")
    return int(total)


def _reached(bus: str, ends: Mapping[int, tuple[int, int]]) -> bool:
    with transaction.atomic(durable=True):
        set_up_transaction(SCHEMA)
        rows: list[tuple[Any, ...]] = run(
            "SELECT partition, position FROM analytics_consumedpartition WHERE bus = %s", bus
        )
    at = {partition: as_pair(position) for partition, position in rows}
    return all(at.get(partition, (0, 0)) >= end for partition, end in ends.items())
