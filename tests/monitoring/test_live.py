"""A real Prometheus watches a whole stack: every panel has data, and alerts see real faults."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from chat.events import envelope
from chat.room_log import keys
from deploy.grafana.generator.boards import BOARDS
from localstack.monitor import SOURCE
from tests.monitoring.chatting import Talk, chatting
from tests.monitoring.conftest import program
from tests.monitoring.watched_stack import (
    Sample,
    Watched,
    hastened,
    wait_for,
    watched_stack,
)

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(600)

# What Grafana would put in place of its variables.
VARIABLES = {"$__rate_interval": "15s", "$instance": ".*", "$task": ".*"}
# Too few to stop a shard, and enough to fire the alert.
FEW_LETTERS, MANY_LETTERS = 15, 60

QUERIES = {
    f"{board.name}: {row.title}: {panel.title}: {query.legend or query.expr}": query.expr
    for board in BOARDS
    for row in board.rows
    for panel in row.panels
    for query in panel.queries
} | {
    f"{board.name}: variable {choice.name}": f"count by ({choice.label}) ({choice.metric})"
    for board in BOARDS
    for choice in board.choices
}
# No name stands for two queries, or one of them would not be run.
assert len(QUERIES) == sum(
    len(board.choices) + sum(len(panel.queries) for panel in board.panels) for board in BOARDS
)


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    for name in ("prometheus", "prometheus-node-exporter"):
        program(name)
    # Not pytest's own folder: that one keeps other accounts out, so PostgreSQL's too.
    with (
        tempfile.TemporaryDirectory(prefix="veche-watched-") as folder,
        watched_stack(Path(folder)) as watched,
    ):
        yield watched


@pytest.fixture(scope="module")
def talk(watched: Watched) -> Iterator[Talk]:
    with chatting(watched.stack) as talk:
        yield talk


def shown(query: str) -> str:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def without_none(query: str) -> str:
    """The query without what stands for “there are none”."""
    return query.partition(" or on ()")[0]


def has_data(samples: list[Sample]) -> bool:
    """Whether there is a point to draw; NaN is none."""
    return any(not math.isnan(float(value)) for one in samples for _, value in one["values"])


def test_every_query_of_every_panel_returns_data(watched: Watched, talk: Talk) -> None:
    # Beat does this every minute; the panels of the check show nothing before.
    watched.call_task("chat.tasks.verify_recent_rooms")
    missing = dict(QUERIES)

    def all_have_data() -> bool:
        for name, query in list(missing.items()):
            if has_data(watched.recent(shown(query))):
                del missing[name]
        return not missing

    seconds = wait_for(all_have_data, lambda: "\n".join(["without data:", *missing]))

    assert talk.rounds
    logger.info("%d queries had data after %.1f s", len(QUERIES), seconds)


def test_alerts_see_real_faults_and_are_silent_before(watched: Watched, talk: Talk) -> None:
    watched.call_task("chat.tasks.verify_recent_rooms")
    wait_for(lambda: not watched.firing(), lambda: f"{watched.firing()} while all is well")
    seen = Seen(watched)

    with seen.firing("WeakLog critical", "LogMemory warning", "LogMemory critical"):
        watched.log.config_set("appendfsync", "everysec")
        used = int(watched.log.info("memory")["used_memory"])
        watched.log.config_set("maxmemory", int(used * 1.06))
    watched.log.config_set("appendfsync", "always")
    watched.log.config_set("maxmemory", 0)
    with (
        watched.frozen("worker", "beat"),
        seen.firing(
            "WorkerDown critical", "NoBeat critical", "StoredLag critical", "ProbeFailing critical"
        ),
    ):
        pass
    with watched.frozen("log"), seen.firing("BreakerOpen critical"):
        pass
    with watched.frozen("web"), seen.firing("WebDown critical"):
        pass
    with seen.firing("DeadLettersGrowing warning", "ShardStopped critical"):
        poison(watched, shard=0, entries=FEW_LETTERS)
        poison(watched, shard=1, entries=MANY_LETTERS)
    with seen.firing("AnalyticsStopped warning"):
        poison_the_bus(watched, entries=MANY_LETTERS)
    of_letters = {name: query for name, query in QUERIES.items() if "veche_dead_letters" in query}
    wait_for(
        lambda: all(has_data(watched.recent(without_none(one))) for one in of_letters.values()),
        lambda: f"no data for one of {of_letters}",
    )
    with seen.firing("LogLost critical"):
        watched.log.flushall()

    mended = ("WeakLog", "LogMemory", "WorkerDown", "NoBeat", "BreakerOpen", "WebDown")
    wait_for(
        lambda: not any(alert.startswith(mended) for alert in watched.firing()),
        lambda: f"{watched.firing()} after everything was fixed",
    )
    for alert, seconds in seen.seconds.items():
        logger.info("%s fired after %.1f s", alert, seconds)


class Seen:
    """How long each alert took, from the fault on."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.seconds: dict[str, float] = {}

    @contextmanager
    def firing(self, *alerts: str) -> Iterator[None]:
        """Does what is inside, and waits until the alerts fire."""
        began = time.monotonic()
        yield
        left = set(alerts)

        def all_fire() -> bool:
            for alert in left & self.watched.firing():
                self.seconds[alert] = time.monotonic() - began
                left.discard(alert)
            return not left

        wait_for(all_fire, lambda: f"{left} do not fire, but {self.watched.firing()}")


def poison(watched: Watched, shard: int, entries: int) -> None:
    """Entries that no drain can read, where the events of a shard are."""
    pipeline = watched.log.pipeline()
    for number in range(entries):
        pipeline.xadd(keys.ingest(shard), {"poison": str(number)})
    pipeline.execute()


def poison_the_bus(watched: Watched, entries: int) -> None:
    """Records that no reader of the event bus can read."""
    pipeline = watched.log.pipeline()
    for number in range(entries):
        pipeline.xadd(envelope.STREAM, {"poison": str(number)})
    pipeline.execute()


def test_hastened_rules_differ_from_those_of_production_in_nothing_but_the_waiting() -> None:
    for path in (SOURCE / "alerts").glob("*.yml"):
        rules = yaml.safe_load(path.read_text())
        made = hastened(rules)

        waits = [rule.pop("for", None) for group in rules["groups"] for rule in group["rules"]]
        assert made == rules
        assert any(waits)
