"""What the consumer counts and measures. Labels never hold ids of people or rooms."""

from __future__ import annotations

from chat.metrics.types import LAG_SECONDS, Where, counter, gauge, histogram

EVENTS = counter(
    "veche_analytics_events_total",
    "Records of the event bus that were processed, by what they were.",
    unit="records",
    where=Where.ANALYTICS,
    labels={"outcome": "`counted`, `repeat`, `placeholder`, `bad`"},
    each=("counted", "repeat", "placeholder", "bad"),
)
BATCH_SECONDS = histogram(
    "veche_analytics_batch_seconds",
    "Time that a batch took to be counted and committed.",
    unit="seconds",
    where=Where.ANALYTICS,
    buckets=LAG_SECONDS,
)
FENCED = counter(
    "veche_analytics_fenced_total",
    "Batches that were dropped because another process had moved the partition.",
    unit="batches",
    where=Where.ANALYTICS,
)
FAILURES = counter(
    "veche_analytics_failures_total",
    "How often the event bus, PostgreSQL or the dead letters did not answer.",
    unit="failures",
    where=Where.ANALYTICS,
)
WAITING = gauge(
    "veche_analytics_waiting_records",
    "Records of a partition that wait to be counted.",
    unit="records",
    where=Where.ANALYTICS,
    labels={"partition": "number of the partition, of which this process has some"},
)
DELAY = gauge(
    "veche_analytics_delay_seconds",
    "From an event's time to its commit in the rollups, for the newest event of the last batch.",
    unit="seconds",
    where=Where.ANALYTICS,
)
STOPPED = gauge(
    "veche_analytics_stopped_partitions",
    "Partitions of this process that have stopped because too much was bad.",
    unit="partitions",
    where=Where.ANALYTICS,
)
