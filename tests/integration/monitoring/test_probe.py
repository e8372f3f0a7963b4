"""The probe sends a real message through real processes, and says where one does not arrive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async

from analytics.verification import is_counted
from chat import room_log
from chat.metrics import catalogue as metrics
from chat.models import ApiToken, Membership, Room
from chat.monitoring import probe, probe_account
from chat.monitoring.probe import Measured
from chat.queries import people_search, room_list
from localstack.ports import free_port
from localstack.web_process import WebProcess
from tests.integration.monitoring.test_metrics_worker import MeasuredWorker
from tests.support.rooms import new_person
from tests.support.web_process import test_database_url, web_process

# Several processes have to start, on whatever else the machine does.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

PATIENCE_SECONDS = 60.0


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebProcess]:
    with web_process(tmp_path / "web.log") as process:
        yield process


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[MeasuredWorker]:
    started = MeasuredWorker(tmp_path)
    started.ready_samples()
    yield started
    started.end(signal.SIGKILL)


@pytest.fixture
def analytics(web: WebProcess) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "consume_events"],
        env=environment(web),
        stdout=subprocess.DEVNULL,
    )
    yield
    process.kill()
    process.wait()


def environment(web: WebProcess, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": test_database_url(),
        "PROBE_URL": f"http://127.0.0.1:{web.port}",
        **more,
    }


def run_probe(web: WebProcess, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "probe", *arguments],
        env=environment(web, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def samples(port: int) -> dict[str, float]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_probe_measures_every_stage_by_hand_and_again_and_again(
    log_redis: redis.Redis, web: WebProcess, worker: MeasuredWorker, analytics: None
) -> None:
    by_hand = run_probe(web, "--json")
    port = free_port()
    going_on = subprocess.Popen(
        [sys.executable, "manage.py", "probe", "--every", "10"],
        env=environment(web, METRICS_PORT=str(port)),
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while samples(port).get('veche_probe_runs_total{result="ok"}', 0) < 1:
            assert time.monotonic() < deadline, web.log.read_text()
            time.sleep(0.2)
        shown = samples(port)
    finally:
        going_on.terminate()
        code = going_on.wait(PATIENCE_SECONDS)

    measured = json.loads(by_hand.stdout)
    assert by_hand.returncode == 0, by_hand.stderr
    assert measured["failures"] == {}
    seconds = measured["seconds"]
    assert set(seconds) == {"ack", "delivery", "stored", "exported", "rolled_up"}
    assert 0 < seconds["ack"] <= seconds["stored"] <= seconds["exported"] <= seconds["rolled_up"]
    for stage in seconds:
        assert shown[f'veche_probe_seconds_count{{stage="{stage}"}}'] >= 1
    assert abs(shown["veche_probe_last_success_timestamp_seconds"] - time.time()) < 120
    assert code == 0
    # One room for both, nobody but the probe in it, and no token is left in force.
    assert Room.objects.count() == 1
    assert ApiToken.objects.filter(revoked_at=None).count() == 0


def test_probe_names_the_stage_that_is_not_reached_and_those_before_it(web: WebProcess) -> None:
    nobody_stores = run_probe(web, PROBE_STAGE_SECONDS="2")

    assert nobody_stores.returncode == 1
    lines = dict(line.split(maxsplit=1) for line in nobody_stores.stdout.splitlines())
    assert lines["acknowledged"].endswith("ms")
    assert lines["delivered"].endswith("ms")
    assert lines["stored"] == lines["exported"] == "no: not in time"


def test_probe_says_that_nobody_can_connect(web: WebProcess) -> None:
    web.process.terminate()
    web.process.wait(PATIENCE_SECONDS)

    refused = run_probe(web)

    assert refused.returncode == 1
    assert refused.stdout.split() == ["connected", "no:", "URLError"]


@pytest.mark.parametrize("every", ["0", "9", "nan", "1e9", "often"])
def test_probe_cannot_be_told_to_fill_the_log(every: str) -> None:
    refused = subprocess.run(
        [sys.executable, "manage.py", "probe", "--every", every],
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 2
    assert "10 to 86400 seconds" in refused.stderr


async def test_nobody_sees_the_probe_or_its_room() -> None:
    ann = await new_person("ann")
    user = await sync_to_async(probe_account.ensure_user)()

    room = await probe_account.ensure_room(user.pk)
    again = await probe_account.ensure_room(user.pk)
    found = await sync_to_async(people_search.search)("probe")
    rooms = await room_list.rooms_of(ann.pk)
    await room_log.close()

    assert room == again
    assert found == []
    assert room not in [one.id for one in rooms]
    assert not user.has_usable_password()
    assert await Membership.objects.exclude(user=user).filter(room=room).acount() == 0


async def test_analytics_are_asked_for_what_they_have_counted() -> None:
    assert probe.last_stages()["rolled_up"] is is_counted


def test_tokens_of_processes_that_are_gone_are_revoked() -> None:
    user = probe_account.ensure_user()
    gone, _ = probe_account.new_token(user.pk)
    used, _ = probe_account.new_token(user.pk)
    before = ApiToken.objects.get(pk=gone).created_at - 2 * probe_account.TOKEN_UNUSED_FOR
    ApiToken.objects.filter(pk=gone).update(created_at=before)

    latest, _ = probe_account.new_token(user.pk)

    in_force = ApiToken.objects.filter(revoked_at=None).values_list("pk", flat=True)
    assert set(in_force) == {used, latest}


def test_failed_run_is_counted_by_its_stage() -> None:
    def failures() -> Any:
        return metrics.PROBE_FAILURES.labels("exported")._value.get()

    before = failures()

    probe._count(Measured({"ack": 0.1}, {"exported": "not in time"}))

    assert failures() == before + 1
