"""Every metric that is defined is fed: after some traffic each has samples."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from asgiref.sync import sync_to_async
from celery import current_app
from django.conf import settings
from django.test import Client

from chat import events, room_log
from chat.metrics.page import define_all
from chat.metrics.types import DEFINITIONS, Where
from chat.models import Membership
from chat.monitoring import installation_metrics
from chat.room_log import keys
from chat.servers.redis_log import blocking_client
from chatsite.version import VERSION
from localstack.ports import free_port
from localstack.valkey import LOG_SETTINGS, Valkey
from localstack.web_process import WebProcess
from tests.integration.monitoring.test_metrics_worker import MeasuredWorker
from tests.support.rooms import new_key, new_person, new_room
from tests.support.servers import OwnServer
from tests.support.web_process import ChatClient, test_database_url, web_process

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_SECONDS = 90.0
LABEL = re.compile(r'(\w+)="')
TOKEN = "only-who-knows-this-may-read"

Samples = dict[str, float]


class MetricsServer:
    """A process with a METRICS_PORT: beat, the probe, or the analytics."""

    def __init__(self, log: Path, *command: str, **environment: str) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, *command],
            env={
                **os.environ,
                "DATABASE_URL": test_database_url(),
                "METRICS_PORT": str(self.port),
                **environment,
            },
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)


def read(port: int) -> Samples:
    """What a process shows; {} while it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs if name.startswith("veche_")}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[dict[str, int]]:
    """Port of the metrics of each part: web, worker, beat, probe, analytics."""
    with contextlib.ExitStack() as parts:
        web = parts.enter_context(web_process(tmp_path / "web.log"))
        worker = MeasuredWorker(tmp_path)
        parts.callback(worker.end, signal.SIGKILL)
        beat = MetricsServer(tmp_path / "beat.log", "-m", "celery", "-A", "chatsite", "beat")
        parts.callback(beat.end)
        url = f"http://127.0.0.1:{web.port}"
        probe = MetricsServer(
            tmp_path / "probe.log", "manage.py", "probe", "--every", "10", PROBE_URL=url
        )
        parts.callback(probe.end)
        analytics = MetricsServer(tmp_path / "analytics.log", "manage.py", "consume_events")
        parts.callback(analytics.end)
        servers = {"beat": beat, "probe": probe, "analytics": analytics}
        ports = {name: server.port for name, server in servers.items()}
        yield {"web": web.port, "worker": worker.port, **ports}


async def talk(port: int) -> None:
    """Some traffic, with a few failures."""
    ann = await new_person("ann")
    room = await new_room(ann)
    await room_log.close()
    async with asyncio.timeout(DEADLINE_SECONDS):
        # The worker stores it; until then the room is in nobody's list.
        while not await Membership.objects.filter(room=room).aexists():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    web = WebProcess.__new__(WebProcess)
    web.url = f"ws://127.0.0.1:{port}/ws/chat/"
    async with await ChatClient.hello(web, ann) as client:
        posted = await client.post(room.pk, "said")
        await client.events_until(room.pk, posted["seq"])
        await client.ask(t="sync", room=room.pk, after=0, limit=10)
        await client.ask(t="send", room=room.pk, key=new_key(), body="")
    shard = events.shard_of(room.pk, settings.ENV.shards)
    blocking_client().xadd(keys.ingest(shard), {"room": "damaged"})
    # A wake-up with a fault: its shard does not exist.
    current_app.send_task("chat.tasks.persist_shard", args=["none"], ignore_result=True)
    current_app.send_task("chat.tasks.verify_recent_rooms", ignore_result=True)
    current_app.send_task("chat.tasks.retry_dead_letters", ignore_result=True)


def missing(shown: dict[str, Samples]) -> list[str]:
    """Defined metrics without a sample where they belong."""
    places = {
        Where.WEB: ("web",),
        Where.WORKER: ("worker",),
        Where.PROBE: ("probe",),
        Where.ANALYTICS: ("analytics",),
        Where.ANY: ("web", "worker", "beat", "probe", "analytics"),
        Where.INSTALLATION: ("web",),
    }
    found = []
    for definition in DEFINITIONS.values():
        suffix = "_count" if definition.type == "histogram" else ""
        wanted = re.compile(rf"{definition.name}{suffix}(\{{.*)?$")
        where = [shown[part] for part in places[definition.where]]
        if not any(wanted.match(name) for samples in where for name in samples):
            found.append(definition.name)
    return found


@pytest.mark.timeout(300)
async def test_every_metric_has_samples_when_everything_runs_and_people_talk(
    stack: dict[str, int],
) -> None:
    define_all()
    await talk(stack["web"])

    def look() -> dict[str, Samples]:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            shown = {part: read(port) for part, port in stack.items()}
            complete = (
                not missing(shown)
                and shown["beat"]
                and shown["probe"].get('veche_probe_runs_total{result="ok"}')
                and shown["web"].get("veche_beat_heartbeat_timestamp_seconds")
                and shown["web"].get("veche_delivery_checked_timestamp_seconds")
            )
            if complete or time.monotonic() > deadline:
                return shown
            time.sleep(0.5)

    shown = await sync_to_async(look)()

    assert missing(shown) == []
    everything = {name for samples in shown.values() for name in samples}
    for name in everything:
        bare, _, labels = name.partition("{")
        family = re.sub(r"_(bucket|sum|count|created)$", "", bare)
        definition = (
            DEFINITIONS.get(bare)
            or DEFINITIONS.get(family)
            or DEFINITIONS.get(re.sub(r"_created$", "_total", bare))
        )
        assert definition is not None, name
        assert set(LABEL.findall(labels)) - {"le"} <= definition.labels.keys(), name
    web, worker = shown["web"], shown["worker"]
    assert shown["probe"]['veche_probe_runs_total{result="ok"}'] >= 1
    assert shown["analytics"]['veche_analytics_events_total{outcome="counted"}'] >= 4
    assert web["veche_ack_seconds_count"] >= 1
    assert web["veche_delivery_seconds_count"] >= 1
    assert web['veche_frames_received_total{type="send"}'] >= 2
    assert web['veche_frames_refused_total{code="empty"}'] == 1
    assert web['veche_events_logged_total{type="message.posted"}'] >= 2
    assert worker["veche_events_stored_total"] >= 4
    assert worker["veche_stored_seconds_count"] == worker["veche_events_stored_total"]
    assert worker["veche_events_exported_total"] >= 4
    assert worker['veche_dead_letters_total{reason="unreadable",source="persist"}'] == 1
    assert web['veche_dead_letters_open{source="persist"}'] == 1
    assert web['veche_source_up{source="log"}'] == 1
    assert web["veche_weak_log"] == 0
    assert web["veche_weak_database"] == 1  # the tests' PostgreSQL does not wait for the disk
    assert web['veche_database_pool_connections{state="max"}'] == settings.ENV.db_pool_max
    # What is true of the whole installation comes from the web processes alone.
    assert not any("watermark" in name or "open{" in name for name in worker)
    assert any(f'version="{VERSION}"' in name for name in shown["beat"])


def test_readers_elsewhere_need_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    elsewhere = client.get("/metrics", REMOTE_ADDR="192.0.2.1")
    through_a_proxy = client.get(
        "/metrics", REMOTE_ADDR="127.0.0.1", headers={"X-Forwarded-For": "192.0.2.1"}
    )
    monkeypatch.setattr(settings, "ENV", dataclasses.replace(settings.ENV, metrics_token=TOKEN))
    without = client.get("/metrics", REMOTE_ADDR="127.0.0.1")
    with_it = client.get(
        "/metrics", REMOTE_ADDR="192.0.2.1", headers={"Authorization": f"Bearer {TOKEN}"}
    )

    statuses = [answer.status_code for answer in (elsewhere, through_a_proxy, without, with_it)]
    assert statuses == [404, 404, 404, 200]


def test_log_that_cannot_rewrite_its_file_says_so_before_it_cannot_write_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `appendfsync always` a log server whose disk is full exits without a word."""
    server = OwnServer(Valkey("log", tmp_path, free_port(), "password-of-the-log", LOG_SETTINGS))
    server.start()
    url = dataclasses.replace(settings.ENV, log_redis_url=server.url)
    monkeypatch.setattr(settings, "ENV", url)
    try:
        with redis.Redis.from_url(server.url) as log:
            before = writes_ok()
            log.set("key", "value")
            log.config_set("rdb-key-save-delay", 60_000_000)  # so that it can be met
            log.bgrewriteaof()
            [rewriting] = psutil.Process(log.info("server")["process_id"]).children()
            rewriting.kill()
            wait_for_rewrite(log)
            failed = writes_ok()
            log.config_set("rdb-key-save-delay", 0)
            log.bgrewriteaof()
            wait_for_rewrite(log)
            afterwards = writes_ok()
    finally:
        server.stop()

    assert (before, failed, afterwards) == (1, 0, 1)


def writes_ok() -> float:
    [value] = [
        sample.value
        for metric in installation_metrics.read_log()
        for sample in metric.samples
        if sample.name == "veche_log_writes_ok"
    ]
    return value


def wait_for_rewrite(log: redis.Redis) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while log.info("persistence")["aof_rewrite_in_progress"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
