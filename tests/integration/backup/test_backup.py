"""A backup made while people write brings back everything acknowledged before it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from chatsite.env import BASE_DIR
from localstack.postgres import binaries
from localstack.servers import LocalServers
from tests.support import buses, migrated_postgres

# Of one command, on a machine that does much else.
SECONDS = 180.0
pytestmark = pytest.mark.timeout(600)
SETTINGS = {"ALLOWED_ORIGINS": "http://localhost", "SHARDS": "4", "LOG_LEVEL": "ERROR"}

# Plays `docker compose run|exec` for deploy/backup.
DOCKER = """#!/usr/bin/env python3
import os, sys
words = sys.argv[1:]
if "manage.py" in words:
    [folder] = [word.removesuffix(":/backup") for word in words if word.endswith(":/backup")]
    command = words[words.index("python") + 1 :]
    os.umask(0o022)  # as in the container
    command = [os.environ["PYTHON"], *(folder if word == "/backup" else word for word in command)]
else:
    options = [word for word in words[words.index("pg_dump") + 1 : -1] if "username" not in word]
    command = [os.environ["PG_DUMP"], "--dbname=" + os.environ["DATABASE_URL"], *options]
os.execv(command[0], command)
"""

Places = dict[int, int]  # room → last seq


class Home:
    """An installation of servers and commands; the data can be destroyed and made anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers = LocalServers(folder / "var", durable=False)
        self.journal = folder / "journal"
        self.backup = folder / "backup"
        self.bus: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        """The environment of processes whose role owns nothing: all but a restore."""
        given = {**os.environ, **SETTINGS, **self.servers.environment, **self.bus}
        return {**given, "DATABASE_OWNER_URL": ""}

    @property
    def owner(self) -> dict[str, str]:
        return {"DATABASE_OWNER_URL": self.servers.environment["DATABASE_OWNER_URL"]}

    def run(
        self, *argv: str, codes: tuple[int, ...] = (0,), given: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            argv,
            env={**self.environment, **(given or {})},
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode in codes, done.stderr
        return done

    def manage(self, *argv: str, codes: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "manage.py", *argv, codes=codes)

    def manage_as_owner(self, *argv: str) -> None:
        self.run(sys.executable, "manage.py", *argv, given=self.owner)

    def make_backup(self) -> None:
        self.manage("backup", str(self.backup), "--pg-dump", str(binaries() / "pg_dump"))

    def destroy_and_restore(self) -> None:
        """As docs/operations.md says: PostgreSQL, the log's files, and then the command."""
        self.servers.stop()
        shutil.rmtree(self.folder / "var" / "data")
        log = self.servers.of["LOG_REDIS_URL"].data
        self.run("sh", "deploy/restore-log", str(self.backup / "log.rdb"), str(log))
        self.servers = LocalServers(self.folder / "var", durable=False)
        self.servers.start()
        self.run(
            str(binaries() / "pg_restore"),
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
            f"--dbname={self.owner['DATABASE_OWNER_URL']}",
            str(self.backup / "database.dump"),
        )
        self.manage_as_owner("migrate", "--verbosity", "0")
        self.manage_as_owner("after_restore")

    def settle(self) -> None:
        """Everything is stored and published, and the analytics have counted it."""
        self.run(sys.executable, "-m", "tests.support.backup_work", "settle")

    def verify(self) -> list[object]:
        """What `verify_delivery` finds when everything is stored, published and counted."""
        self.settle()
        said = self.manage("verify_delivery", "--json", codes=(0, 1)).stdout
        findings: list[object] = json.loads(said.splitlines()[-1])["findings"]
        return findings

    def acknowledged(self) -> Places:
        """The last place that was acknowledged in each room, so far."""
        places: Places = {}
        for line in self.journal.read_text().splitlines():
            room, seq = map(int, line.split())
            places[room] = max(seq, places.get(room, 0))
        return places

    def stored(self) -> dict[int, list[tuple[int, int]]]:
        """(seq, epoch) of the events of each room."""
        events = defaultdict(list)
        with psycopg.connect(self.servers.environment["DATABASE_URL"]) as connection:
            for room, seq, epoch in connection.execute(
                "SELECT room_id, seq, epoch FROM chat_roomevent ORDER BY room_id, seq"
            ):
                events[room].append((seq, epoch))
        return events

    def messages_by_room(self, statement: str) -> dict[int, int]:
        with psycopg.connect(self.servers.environment["DATABASE_URL"]) as connection:
            return dict(connection.execute(statement).fetchall())


COUNTED = "SELECT room, sum(messages)::int FROM analytics_dayrollup WHERE room <> 0 GROUP BY 1"
POSTED = "SELECT room_id, count(*) FROM chat_roomevent WHERE type = 'message.posted' GROUP BY 1"


class Writers:
    """People who write until told to stop; a context manager."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def __enter__(self) -> Writers:
        with (self.home.folder / "writers.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.backup_work", str(self.home.journal)],
                env=self.home.environment,
                cwd=BASE_DIR,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        return self

    def until(self, more: int) -> Places:
        """Waits until this many more places are acknowledged, and returns them all."""
        wanted = self._count() + more
        deadline = time.monotonic() + SECONDS
        while self._count() < wanted:
            assert self.process.poll() is None, (self.home.folder / "writers.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self.home.acknowledged()

    def _count(self) -> int:
        journal = self.home.journal
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(SECONDS)
        finally:
            self.process.kill()


@contextmanager
def new_home() -> Iterator[Home]:
    # Not pytest's folder, which is closed to the account that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="veche-backup-") as folder:
        migrated_postgres.put_into(Path(folder) / "var")
        made = Home(Path(folder))
        with made.servers:
            made.manage_as_owner("migrate", "--verbosity", "0")
            yield made
        made.servers.stop()


@pytest.fixture(scope="module")
def installation() -> Iterator[Home]:
    with new_home() as made:
        yield made


@pytest.fixture
def home_with_kafka(tmp_path: Path) -> Iterator[Home]:
    """Kafka is elsewhere: it is in no backup, and keeps what is destroyed here."""
    for kafka in buses.new_kafka_server(tmp_path):
        with new_home() as made:
            made.bus = {"KAFKA_BOOTSTRAP_SERVERS": kafka.url, "KAFKA_PARTITIONS": "3"}
            yield made


@pytest.fixture
def home(installation: Home) -> Home:
    """With the events of the tests before, but without their backup."""
    shutil.rmtree(installation.backup, ignore_errors=True)
    installation.journal.unlink(missing_ok=True)
    return installation


def test_backup_under_load_brings_back_all_that_was_acknowledged_before_it(home: Home) -> None:
    with Writers(home) as writers:
        before = writers.until(200)
        home.make_backup()
        after = writers.until(100)

    home.destroy_and_restore()
    restored = home.stored()
    verified = home.verify()
    with Writers(home) as writers:
        writers.until(50)
    verified_later = home.verify()

    assert (verified, verified_later) == ([], [])
    assert restored.keys() == before.keys()
    for room, events in home.stored().items():
        [*_, (last, epoch)] = restored[room]
        assert before[room] <= last < after[room]
        assert [seq for seq, _ in events] == list(range(1, len(events) + 1))
        # A client that has seen more than the backup holds is told, and confuses no events.
        [new_epoch] = {new for seq, new in events if seq > last}
        assert new_epoch > epoch


def test_backup_that_is_restored_twice_begins_other_epochs_each_time(home: Home) -> None:
    with Writers(home) as writers:
        writers.until(50)
        home.make_backup()

    lives = []
    for _ in range(2):
        home.destroy_and_restore()
        restored = home.stored()
        with Writers(home) as writers:
            writers.until(50)
        home.settle()
        since = [event for room in restored for event in home.stored()[room][len(restored[room]) :]]
        lives.append({epoch for _, epoch in since})

    assert all(lives)
    assert lives[0].isdisjoint(lives[1])
    assert home.verify() == []


def test_restore_takes_back_what_kafka_had_after_the_backup(home_with_kafka: Home) -> None:
    home = home_with_kafka
    with Writers(home) as writers:
        writers.until(100)
    home.settle()
    with Writers(home) as writers:
        writers.until(100)
        home.make_backup()
        writers.until(100)
    home.settle()

    home.destroy_and_restore()
    verified_at_once = home.verify()
    counted_at_once, posted_at_once = map(home.messages_by_room, (COUNTED, POSTED))
    with Writers(home) as writers:
        # The same places as were on Kafka before, with other messages.
        writers.until(200)
    verified_later = home.verify()
    counted_later, posted_later = map(home.messages_by_room, (COUNTED, POSTED))

    assert (verified_at_once, verified_later) == ([], [])
    assert counted_at_once == posted_at_once
    assert counted_later == posted_later
    assert sum(counted_later.values()) > sum(counted_at_once.values()) > 0


STANDING_STILL = """
import contextlib, os, signal, sys
import django

django.setup()
from django.core.management import call_command
from chat.backup import moment as backup

backup.HELD_MS = 1_000
begin_snapshot = backup.begin_snapshot

@contextlib.contextmanager
def begin_later():
    print("holds the cursors", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    with begin_snapshot() as snapshot:
        yield snapshot

backup.begin_snapshot = begin_later
call_command("backup", sys.argv[1], pg_dump=sys.argv[2])
"""


def test_backup_that_stands_still_lets_storing_go_on_and_fails(home: Home) -> None:
    with Writers(home) as writers:
        writers.until(50)
        frozen = subprocess.Popen(
            [sys.executable, "-c", STANDING_STILL, str(home.backup), str(binaries() / "pg_dump")],
            env={**home.environment, "DJANGO_SETTINGS_MODULE": "chatsite.settings"},
            cwd=BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert frozen.stdout is not None
            assert frozen.stdout.readline() == "holds the cursors\n"
            before = sum(map(len, home.stored().values()))
            acknowledged = sum(writers.until(50).values())
            deadline = time.monotonic() + SECONDS
            while sum(map(len, home.stored().values())) < acknowledged:
                assert time.monotonic() < deadline, f"nothing is stored after {before}"
                time.sleep(0.05)
        finally:
            frozen.send_signal(signal.SIGCONT)
            _, said = frozen.communicate(timeout=SECONDS)

    assert frozen.returncode != 0
    assert "The backup stalled" in said
    assert not (home.backup / "backup.json").exists()


def test_backup_that_waits_for_a_cursor_keeps_nobody_else_from_theirs(home: Home) -> None:
    """A process that asks for a lock after a waiting one would have to wait with it."""
    url = home.servers.environment["DATABASE_URL"]
    pg_dump = str(binaries() / "pg_dump")
    with psycopg.connect(url) as busy, psycopg.connect(url, autocommit=True) as other:
        busy.execute("LOCK TABLE chat_shardcursor IN ROW SHARE MODE")
        waiting = subprocess.Popen(
            [sys.executable, "manage.py", "backup", str(home.backup), "--pg-dump", pg_dump],
            env=home.environment,
            cwd=BASE_DIR,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + SECONDS
        while not other.execute(WAITING_FOR_CURSORS).fetchone():
            assert waiting.poll() is None, waiting.communicate()
            assert time.monotonic() < deadline
        other.execute("SET lock_timeout = '10s'")
        other.execute("SELECT FROM chat_shardcursor FOR UPDATE")
        busy.rollback()
    _, said = waiting.communicate(timeout=SECONDS)

    assert waiting.returncode == 0, said
    assert (home.backup / "backup.json").exists()


WAITING_FOR_CURSORS = """
    SELECT 1 FROM pg_locks WHERE relation = 'chat_shardcursor'::regclass
    AND mode = 'ExclusiveLock' AND NOT granted
"""


def open_to_others(folder: Path) -> list[str]:
    return [path.name for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o077]


def test_backup_into_a_folder_that_was_open_is_closed_to_others(home: Home) -> None:
    home.backup.mkdir()
    home.backup.chmod(0o755)
    before = os.umask(0o022)
    try:
        home.make_backup()
    finally:
        os.umask(before)

    assert len(list(home.backup.iterdir())) == 3
    assert open_to_others(home.backup) == []


def test_script_for_compose_makes_the_same_backup(home: Home) -> None:
    """With a `docker` that runs the containers' commands on this machine."""
    tools = home.folder / "bin"
    tools.mkdir()
    home.backup.mkdir()
    home.backup.chmod(0o755)
    (tools / "docker").write_text(DOCKER)
    (tools / "docker").chmod(0o755)
    variables = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "PG_DUMP": str(binaries() / "pg_dump"),
    }
    with Writers(home) as writers:
        writers.until(50)
        made = subprocess.run(
            ["sh", "deploy/backup", str(home.backup)],
            env={**home.environment, **variables},
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    assert made.returncode == 0, made.stderr
    assert {path.name for path in home.backup.iterdir()} == {
        "backup.json",
        "database.dump",
        "log.rdb",
    }
    assert open_to_others(home.backup) == []
    listed = home.run(str(binaries() / "pg_restore"), "--list", f"{home.backup}/database.dump")
    assert "TABLE DATA public chat_roomevent" in listed.stdout


def test_backup_whose_dump_fails_is_no_backup(home: Home) -> None:
    held = subprocess.run(
        [sys.executable, "manage.py", "backup", "--elsewhere", str(home.backup)],
        env=home.environment,
        cwd=BASE_DIR,
        input="",
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert held.returncode == 1
    assert "No database.dump was made" in held.stderr
    assert not (home.backup / "backup.json").exists()


def test_backup_does_not_write_into_a_folder_with_something_in_it(home: Home) -> None:
    home.backup.mkdir()
    (home.backup / "log.rdb").write_text("an older backup")

    refused = home.manage("backup", str(home.backup), codes=(2,))

    assert "is not empty" in refused.stderr
    assert (home.backup / "log.rdb").read_text() == "an older backup"


def test_backup_without_pg_dump_or_log_says_so_and_fails(home: Home) -> None:
    no_program = home.manage("backup", str(home.folder / "a"), "--pg-dump", "/no/such", codes=(1,))
    with redis.Redis.from_url(home.servers.environment["LOG_REDIS_URL"]) as log:
        # Not by acl_setuser, which switches the account off unless told otherwise.
        log.execute_command("ACL SETUSER", "default", "-sync")
        try:
            no_copy = home.manage("backup", str(home.folder / "b"), codes=(1,))
        finally:
            log.execute_command("ACL SETUSER", "default", "+sync")

    assert "/no/such cannot be run" in no_program.stderr
    assert "The log server does not send a copy" in no_copy.stderr


def restore_log(copy: Path, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(BASE_DIR / "deploy/restore-log"), str(copy), str(data)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_log_that_is_there_is_not_overwritten_by_a_restore(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "log.rdb").write_bytes(b"copy")

    refused = restore_log(tmp_path / "log.rdb", tmp_path)

    assert refused.returncode == 1
    assert "holds a log already" in refused.stderr
    assert list((tmp_path / "appendonlydir").iterdir()) == []


def test_restore_of_the_log_that_failed_can_be_tried_again(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "log.rdb"
    data.mkdir()

    failed = restore_log(copy, data)  # as when the disk is full: the copy cannot be made
    copy.write_bytes(b"copy")
    done = restore_log(copy, data)

    assert failed.returncode != 0
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in data.iterdir()] == ["appendonlydir"]
    assert (data / "appendonlydir" / "appendonly.aof.1.base.rdb").read_bytes() == b"copy"
