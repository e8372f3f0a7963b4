"""Whether all comes through: the watermarks, the waits, the probe, the check, the letters."""

from __future__ import annotations

from deploy.grafana.generator.board import FIRING, Board, Row
from deploy.grafana.generator.panels import (
    GREEN,
    RED,
    Limits,
    Query,
    lines,
    number,
    or_none,
    percentiles,
)

PROMISE = Row(
    "Is the promise kept?",
    [
        number(
            "Alerts firing",
            "How many alerts fire now. Each has a runbook; the page /alerts of Prometheus lists "
            "them.",
            f"count({FIRING}) or vector(0)",
            width=3,
            limits=Limits(1, 1),
        ),
        number(
            "Probe came through",
            "How long ago the probe's message went all the way. It does so once a minute or "
            "oftener; after minutes, something that people notice is broken.",
            "time() - max(veche_probe_last_success_timestamp_seconds)",
            "s",
            width=3,
            limits=Limits(120, 240),
            runbook="probe-failing",
        ),
        number(
            "Violations",
            "Differences that the last check of recent rooms found. Anything but 0: something was "
            "lost, repeated, swapped or changed. Touch nothing before you have read the runbook.",
            "sum(max by (check) (veche_delivery_violations))",
            width=3,
            limits=Limits(1, 1),
            runbook="delivery-violations",
        ),
        number(
            "Oldest not stored",
            "How long the oldest acknowledged event waits for PostgreSQL. Over a minute: people "
            "see one tick only. It is safe in the log.",
            'max(veche_watermark_lag_seconds{stage="stored"})',
            "s",
            width=3,
            limits=Limits(10, 60),
            runbook="stored-lag",
        ),
        number(
            "Oldest not exported",
            "How long the oldest stored event waits for the event bus. The chat does not notice; "
            "analytics fall behind.",
            'max(veche_watermark_lag_seconds{stage="exported"})',
            "s",
            width=3,
            limits=Limits(60, 300),
            runbook="exported-lag",
        ),
        number(
            "Dead letters",
            "What could not be stored, exported or carried out and is still open. Each is kept "
            "with its bytes; those that are parked wait for a decision.",
            "sum(max by (state) (veche_dead_letters_waiting))",
            width=3,
            limits=Limits(1, 100),
            runbook="dead-letters-growing",
        ),
        number(
            "Stopped shards",
            "Shards that stand still until somebody has mended the cause and says `manage.py "
            "shards resume`.",
            "sum(max by (stage) (veche_shards_stopped))",
            width=3,
            limits=Limits(1, 1),
            runbook="shard-stopped",
        ),
        number(
            "Log",
            "Whether the log server's settings keep the promise. “Weak”: it may lose what it "
            "acknowledged.",
            "max(veche_weak_log)",
            width=3,
            words={0: ("strong", GREEN), 1: ("weak", RED)},
            runbook="weak-log",
        ),
    ],
)
WATERMARKS = Row(
    "The three watermarks: logged ≥ stored ≥ exported",
    [
        lines(
            "Events a second, at each watermark",
            "The three lines lie on each other when all is well. Stored below logged: a backlog "
            "grows in the log. Exported below stored: one grows in PostgreSQL.",
            Query("sum(rate(veche_events_logged_total[$__rate_interval]))", "logged ✓"),
            Query("sum(rate(veche_events_stored_total[$__rate_interval]))", "stored ✓✓"),
            Query("sum(rate(veche_events_exported_total[$__rate_interval]))", "exported"),
            unit="cps",
        ),
        lines(
            "Events that wait",
            "Logged and not stored, stored and not exported. A backlog that shrinks needs patience "
            "only; one that grows needs workers, or what they depend on.",
            Query("max by (stage) (veche_watermark_lag_events)", "not {{stage}}"),
            Query("max(veche_ingest_largest_shard_events)", "not stored, fullest shard"),
            runbook="stored-lag",
        ),
        lines(
            "How long the oldest has waited",
            "Rises by a second each second while a stage stands still.",
            Query("max by (stage) (veche_watermark_lag_seconds)", "not {{stage}}"),
            unit="s",
            limits=Limits(60, 300),
            runbook="stored-lag",
        ),
    ],
)
WAITS = Row(
    "How long each step takes",
    [
        lines(
            "Acknowledged",
            "From a frame to its `ok`, so with the fsync of the log. Usually a few milliseconds; "
            "what grows here is the log's disk or a web process that is too busy.",
            *percentiles("veche_ack_seconds"),
            unit="s",
            width=6,
            runbook="event-loop-lag",
        ),
        lines(
            "Delivered",
            "From an event's place in the log to the frame for others. Up to the heartbeat when "
            "the bus is away. Clocks of two machines are compared.",
            *percentiles("veche_delivery_seconds"),
            unit="s",
            width=6,
        ),
        lines(
            "Stored",
            "From an event's place in the log to its commit in PostgreSQL.",
            *percentiles("veche_stored_seconds"),
            unit="s",
            width=6,
            runbook="stored-lag",
        ),
        lines(
            "Exported",
            "From an event's place in the log to the event bus's acknowledgement.",
            *percentiles("veche_exported_seconds"),
            unit="s",
            width=6,
            runbook="exported-lag",
        ),
    ],
)
PROBE = Row(
    "The probe: what a person would see",
    [
        lines(
            "From sending to the end of each stage, 95 %",
            "The probe's own message in a hidden room. The stage that rises first is where to "
            "look.",
            Query(
                "histogram_quantile(0.95, sum by (le, stage) "
                "(rate(veche_probe_seconds_bucket[$__rate_interval])))",
                "{{stage}}",
            ),
            unit="s",
            runbook="probe-failing",
        ),
        lines(
            "Runs, by result",
            "No runs at all: the probe itself is gone, and nobody watches.",
            Query("sum by (result) (increase(veche_probe_runs_total[5m]))", "{{result}}"),
            runbook="probe-failing",
        ),
        lines(
            "Stages that did not end in time",
            "In the last five minutes. After `connect` and `ack` the later stages are not tried.",
            Query("sum by (stage) (increase(veche_probe_failures_total[5m]))", "{{stage}}"),
            runbook="probe-failing",
        ),
    ],
)
CHECK = Row(
    "The minutely check of recent rooms",
    [
        lines(
            "Violations, by what was compared",
            "Rooms that were wrong are looked at until they are right. `manage.py verify_delivery` "
            "names each place.",
            Query("max by (check) (veche_delivery_violations)", "{{check}}"),
            limits=Limits(1, 1),
            runbook="delivery-violations",
        ),
        lines(
            "Age of the last check",
            "A check begins every minute. Older than ten: nobody knows whether something was lost.",
            Query("time() - max(veche_delivery_checked_timestamp_seconds)", "age"),
            unit="s",
            limits=Limits(180, 600),
            runbook="delivery-unchecked",
        ),
        lines(
            "Rooms looked at",
            "`left` are rooms that it had no time for; others are chosen each time. Always many: "
            "give the workers more processes.",
            Query("max by (state) (veche_delivery_rooms)", "{{state}}"),
        ),
    ],
)
LETTERS = Row(
    "Dead letters",
    [
        lines(
            "Open, by source",
            "`persist` leaves a placeholder in the room, `export` one on the bus.",
            Query("max by (source) (veche_dead_letters_open)", "{{source}}"),
            width=6,
            runbook="dead-letters-growing",
        ),
        lines(
            "Open, by what they wait for",
            "`due` is retried with growing pauses; `parked` waits for a person to decide.",
            Query("max by (state) (veche_dead_letters_waiting)", "{{state}}"),
            width=6,
            runbook="dead-letters-old",
        ),
        lines(
            "New, by source and reason",
            "In the last five minutes. One reason for all of them: a mistake in a new version, or "
            "a change to the database.",
            Query(
                or_none(
                    "sum by (source, reason) (increase(veche_dead_letters_total[5m]))", "source"
                ),
                "{{source}} {{reason}}",
            ),
            width=6,
            runbook="dead-letters-growing",
        ),
        lines(
            "Retries, by how they ended",
            "In the last five minutes. `done`: it is where it belongs and the letter is gone.",
            Query(
                or_none(
                    "sum by (outcome) (increase(veche_dead_letter_retries_total[5m]))", "outcome"
                ),
                "{{outcome}}",
            ),
            width=6,
        ),
    ],
)
HINTS = Row(
    "Hints that were lost and made good",
    [
        lines(
            "Gaps filled from the log, and hints dropped",
            "Live push is a hint; what it loses is read from the log. Always some: the bus drops "
            "what it carries, because it is too small or far away.",
            Query("sum(rate(veche_hub_gaps_total[$__rate_interval]))", "gaps filled"),
            Query("sum(rate(veche_hints_dropped_total[$__rate_interval]))", "hints dropped"),
            unit="cps",
            width=12,
        ),
        lines(
            "Presence and read markers that were dropped",
            "Both are worth little and are given up first when the bus or PostgreSQL is slow.",
            Query("sum(rate(veche_presence_failures_total[$__rate_interval]))", "presence"),
            Query("sum(rate(veche_read_markers_dropped_total[$__rate_interval]))", "read markers"),
            unit="cps",
            width=12,
        ),
    ],
)
DELIVERY = Board(
    "delivery",
    "Delivery",
    "Whether everything that was acknowledged is stored and exported, how long it takes, and what "
    "could not be. The first row should be green.",
    [PROMISE, WATERMARKS, WAITS, PROBE, CHECK, LETTERS, HINTS],
)
