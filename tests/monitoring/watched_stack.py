"""A stack as a person starts it, and a Prometheus that looks at it every second."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
import yaml
from celery import Celery

from chatsite.settings import CELERY_DATABASE
from localstack.monitor import NodeExporter, Prometheus, local_configuration
from localstack.ports import free_port
from localstack.process import start, stop, wait_until_ready
from localstack.running_stack import RunningStack

READY_SECONDS = 60.0
# Half a minute is what the slowest alerts take; the rest is for machines with much else to do.
PATIENCE_SECONDS = 120.0
SETTINGS = {
    # Nothing else shows that a process is frozen.
    "REDIS_TIMEOUT_SECONDS": "1",
    "PROBE_STAGE_SECONDS": "2",
    "SENDS_PER_SECOND": "1000",
    "SENDS_BURST": "10000",
}
Sample = dict[str, Any]


def hastened(rules: dict[str, Any]) -> dict[str, Any]:
    """The same rules, without the time for which a condition must hold before an alert fires.

    The only difference to what runs in production: expressions, with their thresholds and windows,
    and labels and texts stay as they are.
    """
    groups = [
        {
            **group,
            "rules": [
                {name: value for name, value in rule.items() if name != "for"}
                for rule in group["rules"]
            ],
        }
        for group in rules["groups"]
    ]
    return {"groups": groups}


def fast_configuration(data: Path, also: dict[str, list[str]]) -> dict[str, Any]:
    """The configuration of `make monitor`, that looks every second, with hastened rules."""
    configuration = local_configuration(data, also)
    configuration["global"] = {
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "evaluation_interval": "1s",
    }
    folder = data / "rules"
    folder.mkdir(parents=True)
    for pattern in configuration["rule_files"]:
        for path in Path(pattern).parent.glob(Path(pattern).name):
            rules = hastened(yaml.safe_load(path.read_text()))
            (folder / path.name).write_text(yaml.safe_dump(rules))
    configuration["rule_files"] = [str(folder / "*.yml")]
    for job in configuration["scrape_configs"]:
        for discovery in job.get("file_sd_configs", ()):
            discovery["refresh_interval"] = "2s"
    return configuration


class Watched:
    """What runs, and what Prometheus knows of it."""

    def __init__(self, stack: RunningStack, prometheus: Prometheus) -> None:
        self.stack = stack
        self.prometheus = prometheus
        self.data = stack.folder / "var"
        state = json.loads((self.data / "stack.json").read_text())
        self.environment: dict[str, str] = state["environment"]
        self.log = redis.Redis.from_url(self.environment["LOG_REDIS_URL"], socket_timeout=10)
        bus = urllib.parse.urlsplit(self.environment["BUS_REDIS_URL"])
        self._celery = Celery(broker=bus._replace(path=f"/{CELERY_DATABASE}").geturl())

    def query(self, expression: str) -> list[Sample]:
        """The samples of an instant query. Raises: AssertionError when it is no query."""
        return self._get("query", query=expression)

    def recent(self, expression: str) -> list[Sample]:
        """The series of the last half minute, as a panel would draw them."""
        now = time.time()
        return self._get("query_range", query=expression, start=now - 30, end=now, step=1)

    def firing(self) -> set[str]:
        """Name and severity of each alert that fires: `WeakLog critical`."""
        found = [one["metric"] for one in self.query('ALERTS{alertstate="firing"}')]
        return {f"{metric['alertname']} {metric['severity']}" for metric in found}

    def _get(self, kind: str, **parameters: Any) -> list[Sample]:
        url = f"{self.prometheus.url}/api/v1/{kind}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                content = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        samples: list[Sample] = content["data"]["result"]
        return samples

    def send_signal(self, part: str, number: int) -> None:
        """To all processes of a part of the stack: `web`, `worker`, `beat`, `log` …"""
        os.killpg(self.stack.pid_of(part), number)

    @contextmanager
    def frozen(self, *parts: str) -> Iterator[None]:
        """Processes that are alive and answer nobody."""
        for part in parts:
            self.send_signal(part, signal.SIGSTOP)
        try:
            yield
        finally:
            for part in parts:
                self.send_signal(part, signal.SIGCONT)

    def call_task(self, name: str) -> None:
        """What beat does, now."""
        self._celery.send_task(name, ignore_result=True)


def wait_for(what: Callable[[], bool], failure: Callable[[], str]) -> float:
    """Seconds until it was so."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() < began + PATIENCE_SECONDS, failure()
        time.sleep(0.2)  # between two looks at another process
    return time.monotonic() - began


@contextmanager
def watched_stack(folder: Path) -> Iterator[Watched]:
    """Everything is ready when this begins, and ended when it is over."""
    stack = RunningStack(folder, SETTINGS)
    running = []
    try:
        stack.start()
        data = folder / "var"
        node = NodeExporter(data, free_port())
        port = free_port()
        also = {"node": [node.address], "prometheus": [f"127.0.0.1:{port}"]}
        prometheus = Prometheus(data, port, fast_configuration(data, also))
        prometheus.prepare()
        for program, check in ((node.program, node.check), (prometheus.program, prometheus.check)):
            process = start(program)
            running.append((program, process))
            wait_until_ready(program, process, check, READY_SECONDS)
        yield Watched(stack, prometheus)
    finally:
        for program, process in running:
            stop(program, process)
        stack.stop()
