"""How a metric is defined: once, with all that its page in the docs says.

Those of the chat are in `chat.metrics.catalogue`, those of the analytics in
`analytics.counting.metrics`, as a process of one does not show what only the other counts.

Four kinds come from prometheus_client; a worker adds those of its children up (see
`chatsite.observability.worker_metrics`). Two are ours. A `Tally` is a counter for the event loop
alone: an addition and no lock, for what happens tens of thousands of times a second. An
`InstallationGauge` is about log, bus or database and not about a process: it is read where it lies
when a web process is asked for its metrics (`chat.monitoring.installation_metrics`), so every web
process says the same and Prometheus takes the largest, never the sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Literal

import msgspec
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

PREFIX = "veche_"


class Where(StrEnum):
    """Whose metric it is, and so how Prometheus puts several processes' values together."""

    WEB = "web"
    WORKER = "worker"
    PROBE = "probe"
    ANALYTICS = "analytics"
    ANY = "any process"
    INSTALLATION = "installation"


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What a metric is. `unit` is what one of it is: seconds, bytes, events …"""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    unit: str
    where: Where
    labels: dict[str, str]
    """Name of each label → what its values are; never ids of people or rooms."""
    help: str


DEFINITIONS: dict[str, Definition] = {}

Labels = dict[str, str]

# Fine where people notice a difference, and up to where they have given up.
SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0
)  # fmt: skip
# Stages that may fall behind for as long as an outage lasts.
LAG_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


def counter(
    name: str,
    help: str,
    *,
    unit: str,
    where: Where,
    labels: Labels | None = None,
    each: Iterable[object] = (),
) -> Counter:
    """A counter; `each` gives the values of its only label that are known from the start.

    Those begin at 0, so that `increase()` sees the first time.
    """
    _define(name, "counter", help, unit, where, labels)
    made = Counter(name, help, list(labels or ()))
    for value in each:
        made.labels(value)
    return made


def gauge(
    name: str,
    help: str,
    *,
    unit: str,
    where: Where,
    labels: Labels | None = None,
    each: Iterable[object] = (),
    over_children: Literal["livesum", "livemax"] = "livesum",
) -> Gauge:
    """A gauge. Of several children of one worker, those that live are summed, or the largest."""
    _define(name, "gauge", help, unit, where, labels)
    made = Gauge(name, help, list(labels or ()), multiprocess_mode=over_children)
    for value in each:
        made.labels(value)
    return made


def histogram(
    name: str,
    help: str,
    *,
    unit: str,
    where: Where,
    labels: Labels | None = None,
    each: Iterable[object] = (),
    buckets: Sequence[float] = SECONDS,
) -> Histogram:
    _define(name, "histogram", help, unit, where, labels)
    made = Histogram(name, help, list(labels or ()), buckets=buckets)
    for value in each:
        made.labels(value)
    return made


class Tally:
    """A counter of the event loop's thread, with at most one label. Not for workers."""

    def __init__(
        self,
        name: str,
        help: str,
        *,
        unit: str,
        labels: Labels | None = None,
        each: Iterable[object] = (),
    ) -> None:
        self.definition = _define(name, "counter", help, unit, Where.WEB, labels)
        self.values: defaultdict[str, int] = defaultdict(int)
        for value in each if labels else [""]:
            self.values[str(value)] = 0
        REGISTRY.register(self)

    def add(self, number: int = 1, label: str = "") -> None:
        self.values[label] += number

    def collect(self) -> Iterator[Metric]:
        """For prometheus_client, in the thread that answers `/metrics`."""
        of = self.definition
        family = CounterMetricFamily(of.name, of.help, labels=list(of.labels))
        for label, value in self.values.copy().items():
            family.add_metric([label] if of.labels else [], value)
        yield family


class InstallationGauge:
    """A gauge of the whole installation: a definition, to which `sample` gives values."""

    def __init__(self, name: str, help: str, *, unit: str, labels: Labels | None = None) -> None:
        self.definition = _define(name, "gauge", help, unit, Where.INSTALLATION, labels)

    def sample(self, value: float | None = None, **by_label: float) -> Metric:
        """The gauge with one value, or with a value for each value of its only label."""
        of = self.definition
        family = GaugeMetricFamily(of.name, of.help, labels=list(of.labels))
        if value is not None:
            family.add_metric([], value)
        for label, number in by_label.items():
            family.add_metric([label], number)
        return family


def _define(
    name: str,
    type: Literal["counter", "gauge", "histogram"],
    help: str,
    unit: str,
    where: Where,
    labels: Labels | None,
) -> Definition:
    assert name.startswith(PREFIX)
    assert name not in DEFINITIONS
    made: dict[str, Any] = {"name": name, "type": type, "help": help, "unit": unit}
    DEFINITIONS[name] = Definition(where=where, labels=labels or {}, **made)
    return DEFINITIONS[name]
