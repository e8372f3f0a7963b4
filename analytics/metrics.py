"""What the consumer counts and measures. Labels never hold ids of people or rooms."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter(
    "veche_analytics_events_total",
    "Records of the event bus that were done with, by what they were.",
    ["outcome"],  # counted, repeat, placeholder, bad
)
BATCH_SECONDS = Histogram(
    "veche_analytics_batch_seconds",
    "Time that a batch took to be counted and committed.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
FENCED = Counter(
    "veche_analytics_fenced_total",
    "Batches that were dropped because another process had moved the partition.",
)
FAILURES = Counter(
    "veche_analytics_failures_total",
    "Times that the bus, PostgreSQL or the dead letters did not answer.",
)
WAITING = Gauge(
    "veche_analytics_waiting_records",
    "Records of a partition that wait to be counted.",
    ["partition"],
)
DELAY = Gauge(
    "veche_analytics_delay_seconds",
    "From an event's time to its commit in the rollups, for the newest event of the last batch.",
)
STOPPED = Gauge(
    "veche_analytics_stopped_partitions",
    "Partitions of this process that have stopped because too much was bad.",
)
