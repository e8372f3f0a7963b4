"""Whether everything gets through: watermarks, waits, the probe, the check, dead letters."""

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
            "Probe got through",
            "How long ago the probe's message last got all the way through. It should do so at "
            "least once a minute; if it was minutes ago, something that people notice is broken.",
            "time() - max(veche_probe_last_success_timestamp_seconds)",
            "s",
            width=3,
            limits=Limits(120, 240),
            runbook="probe-failing",
        ),
        number(
            "Violations",
            "Differences that the last check of recent rooms found. Anything but 0 means that "
            "something was lost, duplicated, reordered or changed. Change nothing before you have "
            "read the runbook.",
            "sum(max by (check) (veche_delivery_violations))",
            width=3,
            limits=Limits(1, 1),
            runbook="delivery-violations",
        ),
        number(
            "Oldest not stored",
            "How long the oldest acknowledged event has waited for PostgreSQL. Over a minute, "
            "people see only one tick. The event is safe in the log.",
            'max(veche_watermark_lag_seconds{stage="stored"})',
            "s",
            width=3,
            limits=Limits(10, 60),
            runbook="stored-lag",
        ),
        number(
            "Oldest not exported",
            "How long the oldest stored event has waited for the event bus. The chat is not "
            "affected; analytics fall behind.",
            'max(veche_watermark_lag_seconds{stage="exported"})',
            "s",
            width=3,
            limits=Limits(60, 300),
            runbook="exported-lag",
        ),
        number(
            "Dead letters",
            "What could not be stored, exported or carried out and is still open. Each dead letter "
            "is kept with its bytes; parked ones wait for a decision.",
            "sum(max by (state) (veche_dead_letters_waiting))",
            width=3,
            limits=Limits(1, 100),
            runbook="dead-letters-growing",
        ),
        number(
            "Stopped shards",
            "Shards that stand still until somebody has fixed the cause and runs `manage.py shards "
            "resume`.",
            "sum(max by (stage) (veche_shards_stopped))",
            width=3,
            limits=Limits(1, 1),
            runbook="shard-stopped",
        ),
        number(
            "Log",
            "Whether the log server's settings are strong enough. “Weak” means that it may lose "
            "what it acknowledged.",
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
            "The three lines coincide when all is well. If stored is below logged, a backlog grows "
            "in the log; if exported is below stored, one grows in PostgreSQL.",
            Query("sum(rate(veche_events_logged_total[$__rate_interval]))", "logged ✓"),
            Query("sum(rate(veche_events_stored_total[$__rate_interval]))", "stored ✓✓"),
            Query("sum(rate(veche_events_exported_total[$__rate_interval]))", "exported"),
            unit="cps",
        ),
        lines(
            "Events that wait",
            "Logged but not stored, or stored but not exported. A shrinking backlog only needs "
            "patience; a growing one needs more workers, or a look at what they depend on.",
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
            "From a frame to its `ok`, including the fsync of the log. Usually a few milliseconds; "
            "if it grows, the log's disk is slow or a web process is too busy.",
            *percentiles("veche_ack_seconds"),
            unit="s",
            width=6,
            runbook="event-loop-lag",
        ),
        lines(
            "Delivered",
            "From an event's time in the log to the frame for others. Up to a heartbeat while the "
            "bus is down. The clocks of two machines are compared.",
            *percentiles("veche_delivery_seconds"),
            unit="s",
            width=6,
        ),
        lines(
            "Stored",
            "From an event's time in the log to its commit in PostgreSQL.",
            *percentiles("veche_stored_seconds"),
            unit="s",
            width=6,
            runbook="stored-lag",
        ),
        lines(
            "Exported",
            "From an event's time in the log to the event bus's acknowledgement.",
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
            "The probe's own message in a hidden room. Look first at the stage that rises first.",
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
            "If there are no runs at all, the probe itself is down, and nothing is being watched.",
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
    "The check of recent rooms, once a minute",
    [
        lines(
            "Violations, by what was compared",
            "Rooms with violations are checked again until they are right. `manage.py "
            "verify_delivery` names each place.",
            Query("max by (check) (veche_delivery_violations)", "{{check}}"),
            limits=Limits(1, 1),
            runbook="delivery-violations",
        ),
        lines(
            "Age of the last check",
            "A check begins every minute. If the last one is more than ten minutes old, it is "
            "unknown whether anything was lost.",
            Query("time() - max(veche_delivery_checked_timestamp_seconds)", "age"),
            unit="s",
            limits=Limits(180, 600),
            runbook="delivery-unchecked",
        ),
        lines(
            "Rooms checked",
            "`left` are rooms that the check had no time for; it chooses others each time. If "
            "there are always many, give the workers more processes.",
            Query("max by (state) (veche_delivery_rooms)", "{{state}}"),
        ),
    ],
)
LETTERS = Row(
    "Dead letters",
    [
        lines(
            "Open, by source",
            "`persist` leaves a placeholder in the room, `export` one on the event bus.",
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
            "In the last five minutes. If all have the same reason, it is a bug in a new version "
            "or a change to the database.",
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
            "In the last five minutes. `done`: it is where it belongs, and the dead letter is "
            "gone.",
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
    "Hints that were lost and made up for",
    [
        lines(
            "Gaps filled from the log, and hints dropped",
            "Live push is a hint; what it loses is read from the log. A constant rate means that "
            "the bus drops hints, because it is too small or too slow to reach.",
            Query("sum(rate(veche_hub_gaps_total[$__rate_interval]))", "gaps filled"),
            Query("sum(rate(veche_hints_dropped_total[$__rate_interval]))", "hints dropped"),
            unit="cps",
            width=12,
        ),
        lines(
            "Presence and read markers that were dropped",
            "Both matter little and are given up first when the bus or PostgreSQL is slow.",
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
    "failed. The first row should be green.",
    [PROMISE, WATERMARKS, WAITS, PROBE, CHECK, LETTERS, HINTS],
)
