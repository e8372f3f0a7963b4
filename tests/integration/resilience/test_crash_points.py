"""Killed at any named place, Veche loses, repeats and swaps nothing (I1–I4, I6).

For each crash point and hit a process does real work and kills itself there. Another one goes on
with the same keys; then every acknowledged event is there once, at the place it was given, and
`verify_delivery` finds no difference between log, PostgreSQL, projections, dead letters and bus.
"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from django.conf import settings

import chat
from chat import dead_letters
from chat.dead_letters import store
from chat.event_bus import event_bus, redis_stream
from chat.events import POSTS, EventType
from chat.models import AuditEntry, Message, Room, RoomEvent, User
from chat.resilience.crash_points import CRASH_POINTS
from chat.verify import VerificationReport, Verifier
from tests.support import crash_work
from tests.support.crash_work import Plan, Worker
from tests.support.rooms import new_key
from tests.support.web_process import owner_url_of_test_database

pytestmark = pytest.mark.django_db(transaction=True)

HITS = (1, 3)
# The fifth epoch is that of a shard which was lost.
CASES = [(point, hit) for point in CRASH_POINTS for hit in HITS] + [
    ("epoch.before_log", 5),
    ("epoch.after_log", 5),
]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(store, "CLAIM_MS", crash_work.CLAIM_MS)
    monkeypatch.setattr(redis_stream, "MAX_RECORD_BYTES", crash_work.RECORD_BYTES)
    yield
    crash_work.execute("ALTER TABLE chat_message DROP CONSTRAINT IF EXISTS refuse")


def new_plan() -> Plan:
    """A plan for new people in new rooms, of which only the rows exist."""
    people = [User.objects.create_user(f"person-{i}") for i in range(crash_work.PEOPLE)]
    first = Room.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    ids = [first + 1 + i for i in range(crash_work.ROOMS)]
    for pk in ids:
        name = f"room {pk}"
        Room.objects.create(pk=pk, slug=name, name=name, kind="private", created_by=people[0])
    return crash_work.plan(ids, [person.pk for person in people], new_key)


class Nursery:
    """Carries out plans in processes that die."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crash_work"],
            # What goes wrong is arranged in the tables.
            env={**os.environ, "DATABASE_OWNER_URL": owner_url_of_test_database()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def work(self, plan: Plan, journal: Path, point: str, hit: int) -> str:
        """Works in another process, which must die at that point; what it wrote to stderr."""
        file, said = journal.with_suffix(".plan"), journal.with_suffix(".said")
        file.write_bytes(msgspec.json.encode(plan))
        order = crash_work.Order(str(file), str(journal), f"{point}:{hit}", str(said))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        told = said.read_text()
        assert code == -signal.SIGKILL, f"{point} was never hit: {told[-2000:]}"
        return told

    def end(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def nursery(django_db_setup: None) -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.end()


@pytest.mark.parametrize(("point", "hit"), CASES, ids=[f"{point}-{hit}" for point, hit in CASES])
def test_process_that_dies_there_costs_nothing(
    nursery: Nursery, point: str, hit: int, tmp_path: Path
) -> None:
    plan = new_plan()
    journal = tmp_path / "journal"

    told = nursery.work(plan, journal, point, hit)
    # Before anybody goes on, everything is somewhere; a lost log shows until it is noticed.
    assert [one for one in verify().findings if not one.what.startswith("epoch of shard")] == []
    left = Worker(plan, journal)
    left_at = left.journal.done
    left.work()

    assert told.endswith(f"crash point {point}\n")
    assert left_at < len(plan.steps)
    check_everything(plan, left)


def verify() -> VerificationReport:
    return Verifier(settings.ENV.shards, event_bus(), pause=lambda: None).verify()


def check_everything(plan: Plan, worker: Worker) -> None:
    said = {one.key: one for step in plan.steps for one in step.said}
    assert worker.journal.acknowledged.keys() == said.keys()
    rows = {
        str(key): (room, seq, kind)
        for key, room, seq, kind in RoomEvent.objects.exclude(key=None).values_list(
            "key", "room_id", "seq", "type"
        )
    }
    assert rows == {
        key: (one.room, worker.journal.acknowledged[key], one.type) for key, one in said.items()
    }
    posted = [one for one in said.values() if one.type in POSTS]
    assert Counter(map(str, Message.objects.values_list("key", flat=True))) == Counter(
        one.key for one in posted
    )
    deleted = [one.key for one in said.values() if one.type == EventType.MESSAGE_DELETED]
    assert sorted(
        AuditEntry.objects.filter(target_kind="message").values_list(
            "key", "outcome__result", "outcome__seq"
        )
    ) == sorted((UUID(key), "done", worker.journal.acknowledged[key]) for key in deleted)
    assert not RoomEvent.objects.filter(type=EventType.EVENT_QUARANTINED).exists()
    assert {letter.source for letter in dead_letters.every()} == {"export"}
    report = verify()
    assert (report.findings, report.rooms) == ([], crash_work.ROOMS)
    assert report.bus_records >= report.events == len(rows)


def places_in_the_code() -> Counter[str]:
    """How often each name is given to `crash_point` in the code."""
    found: Counter[str] = Counter()
    for path in Path(next(iter(chat.__path__))).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "crash_point":
                [name] = node.args
                assert isinstance(name, ast.Constant)
                found[str(name.value)] += 1
    return found


def test_every_registered_point_is_one_place_in_the_code() -> None:
    assert places_in_the_code() == Counter(CRASH_POINTS.keys())


def start(program: str, point: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {program}"],
        env={**os.environ, "VECHE_CRASH_POINT": point},
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )


def test_process_dies_where_the_environment_says() -> None:
    program = (
        "from chat.resilience.crash_points import crash_point\n"
        "for number in range(5): crash_point('persist.after_read'); print(number, flush=True)"
    )

    died = start(program, "persist.after_read:3")

    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "0\n1\n")


def test_point_that_does_not_exist_prevents_the_start() -> None:
    refused = start("import chat.resilience.crash_points", "persist.after_lunch")

    assert refused.returncode == 1
    assert "VECHE_CRASH_POINT: there is no point 'persist.after_lunch'" in refused.stderr
