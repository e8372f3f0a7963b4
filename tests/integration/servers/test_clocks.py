"""Machines whose clocks are minutes apart: everything works, and the difference is reported.

The processes are real and run under faketime, which sets the clock of one process alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from prometheus_client import REGISTRY

from chat import room_log, tasks
from chat.actions import moderation
from chat.events import shard_of
from chat.hints import to_workers
from chat.hub import presence
from chat.models import Room
from chat.servers import clocks
from chat.servers.clocks import ServerClock
from chat.task_queue import expiry
from tests.integration.export.test_export import url_of_test_database
from tests.integration.export.test_export_worker import QUIET, eventually
from tests.support.rooms import new_person, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)

MINUTES = 300
# faketime leaves the monotonic clock alone, and then refuses to sleep until a time of that clock,
# which is how Python does it.
CELERY = """
import select, sys, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
from celery.__main__ import main
sys.exit(main())
"""
WORKER = ["worker", "-c", "1", *QUIET]
BEAT = ["beat"]
START_SECONDS = 60.0


@contextlib.contextmanager
def celery(words: list[str], seconds: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real process whose clock is so many seconds ahead, or behind where that is below 0."""
    faketime = shutil.which("faketime")
    if faketime is None:
        if os.environ.get("CI"):
            pytest.fail("faketime is not on PATH: .ci/faketime installs it")
        pytest.skip("faketime is not on PATH: .ci/faketime installs it")
    process = subprocess.Popen(
        [
            faketime,
            *("-m", "--exclude-monotonic", "-f", f"{seconds:+}"),
            *(sys.executable, "-c", CELERY, "-A", "chatsite"),
            *words,
        ],
        env={**os.environ, "DATABASE_URL": url_of_test_database(), "LOG_FORMAT": "console"},
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_stored(room: Room, seq: int) -> bool:
    return Room.objects.filter(pk=room.pk, stored_seq=seq).exists()


@pytest.fixture
def nobody_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Web processes ask for no drain."""
    monkeypatch.setattr(to_workers, "wake", lambda shard: None)


def clocks_of_a_process(ahead: float) -> tuple[ServerClock, ServerClock, ServerClock]:
    """The servers' clocks as a process knows them whose own clock is `ahead` by so many seconds."""
    return clocks.new_clocks(lambda: time.time() + ahead)


@pytest.mark.parametrize("seconds", [MINUTES, -MINUTES])
async def test_what_beat_asks_for_is_done_by_a_worker_with_another_clock(
    seconds: int, nobody_wakes: None, tmp_path: Path
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    posted = (await post(room, ann, "swept")).event
    await room_log.close()

    def run() -> str:
        with (
            celery(BEAT, -seconds, tmp_path / "beat.log"),
            celery(WORKER, seconds, tmp_path / "worker.log"),
        ):
            eventually(lambda: is_stored(room, posted.seq), START_SECONDS)
            way = "ahead of" if seconds > 0 else "behind"
            said = re.compile(rf"clock is (299|300)\.\d s {way} that of the log")
            eventually(lambda: said.search((tmp_path / "worker.log").read_text()), START_SECONDS)
        return (tmp_path / "worker.log").read_text()

    assert "expired" not in await sync_to_async(run)()


async def test_what_a_web_process_asks_for_is_done_by_a_worker_with_another_clock(
    nobody_wakes: None, tmp_path: Path
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    posted = (await post(room, ann, "woken")).event
    await room_log.close()

    def run() -> None:
        to_workers.ask(shard_of(room.pk, settings.ENV.shards))
        with celery(WORKER, MINUTES, tmp_path / "worker.log"):
            eventually(lambda: is_stored(room, posted.seq), START_SECONDS)

    await sync_to_async(run)()


async def test_task_that_waited_too_long_is_dropped_whatever_the_clocks_say(
    nobody_wakes: None, tmp_path: Path
) -> None:
    ann = await new_person("ann")
    late, in_time = await new_room(ann), await new_room(ann)
    await room_log.close()

    def run() -> None:
        tasks.persist_shard.apply_async(
            args=(shard_of(late.pk, settings.ENV.shards),), expires=0.001
        )
        eventually(lambda: clocks.BUS.seconds() > began + 1, START_SECONDS)
        tasks.persist_shard.apply_async(
            args=(shard_of(in_time.pk, settings.ENV.shards),), expires=60
        )
        with celery(WORKER, -MINUTES, tmp_path / "worker.log"):
            eventually(lambda: is_stored(in_time, 2), START_SECONDS)

    assert clocks.BUS.is_known()
    began = clocks.BUS.seconds()
    await sync_to_async(run)()

    assert not await sync_to_async(is_stored)(late, 2)


@pytest.mark.parametrize("ahead", [MINUTES, -MINUTES])
def test_time_of_a_server_is_its_own_whatever_this_machine_says(
    log_redis: redis.Redis, ahead: int
) -> None:
    log, *others = clocks_of_a_process(ahead)

    before = log.seconds()
    for clock in (log, *others):
        clock.learn()
    seconds, _ = log_redis.time()

    assert before == pytest.approx(time.time() + ahead, abs=5)
    for clock in (log, *others):
        assert clock.seconds() == pytest.approx(seconds, abs=5)
        shown = REGISTRY.get_sample_value("veche_clock_skew_seconds", {"server": clock.name})
        assert shown == pytest.approx(ahead, abs=5)


@pytest.mark.parametrize("ahead", [MINUTES, -MINUTES])
def test_mute_lasts_as_long_as_it_was_meant_to_by_the_clock_of_the_log(
    monkeypatch: pytest.MonkeyPatch, log_redis: redis.Redis, ahead: int
) -> None:
    log, _, _ = clocks_of_a_process(ahead)
    log.learn()
    monkeypatch.setattr(clocks, "LOG", log)

    until = moderation.check_mute(60)
    seconds, _ = log_redis.time()

    assert until.timestamp() - seconds == pytest.approx(60, abs=5)


def test_processes_with_other_clocks_see_one_another_on_the_bus(bus_redis: redis.Redis) -> None:
    _, bus_of_one, _ = clocks_of_a_process(0)
    _, bus_of_another, _ = clocks_of_a_process(MINUTES)
    for clock in (bus_of_one, bus_of_another):
        clock.learn()

    told = bus_of_one.seconds()
    heard = bus_of_another.seconds()

    # Each knows the bus's time to within half of the time that the question took.
    assert heard == pytest.approx(told, abs=clocks.MAX_ANSWER_SECONDS)
    assert heard < presence.gone_at(told)


@pytest.mark.parametrize("until", [None, "soon", [], float("nan")])
def test_header_that_makes_no_sense_drops_no_task(until: object) -> None:
    request = SimpleNamespace(**{expiry.UNTIL_HEADER: until})

    assert not expiry.is_over(request)
