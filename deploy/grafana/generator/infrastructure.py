"""What Veche stands on: its processes, PostgreSQL, the log, the bus, Kafka, the machine."""

from __future__ import annotations

from deploy.grafana.generator.board import Board, Choice, Row
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

WEB = '{job="web", instance=~"$instance"}'
# Pseudo file systems never fill up, and one device may be mounted many times.
FILE_SYSTEMS = '{job="node", fstype!~"tmpfs|ramfs|squashfs|iso9660"}'

AWAY_OR_THERE = {0: ("away", RED), 1: ("there", GREEN)}


NOW = Row(
    "Now",
    [
        number(
            "Web processes",
            "How many answer Prometheus. 0: nobody can open the page.",
            'sum(up{job="web"})',
            limits=Limits(1, 1, low=True),
            runbook="web-down",
        ),
        number(
            "Workers",
            "How many answer Prometheus. 0: nothing is stored.",
            'sum(up{job="worker"})',
            limits=Limits(1, 1, low=True),
            runbook="worker-down",
        ),
        number(
            "Log",
            "Whether the log server answers. Away: nobody can send, outboxes keep what is written.",
            'min(veche_source_up{source="log"})',
            words=AWAY_OR_THERE,
            runbook="breaker-open",
        ),
        number(
            "PostgreSQL",
            "Whether it answers. Away: sending and live reading go on, connecting and storing "
            "do not.",
            'min(veche_source_up{source="database"})',
            words=AWAY_OR_THERE,
            runbook="breaker-open",
        ),
        number(
            "Bus",
            "Whether it answers. Away: messages of others come with the heartbeat, storing waits.",
            'min(veche_source_up{source="bus"})',
            words=AWAY_OR_THERE,
            runbook="breaker-open",
        ),
        number(
            "Versions",
            "How many versions of Veche run at once. More than one: an upgrade is under way, or "
            "was left half-way.",
            "count(count by (version) (veche_build_info))",
            limits=Limits(2, 3),
        ),
    ],
)
PROCESSES = Row(
    "Web processes",
    [
        lines(
            "CPU",
            "A web process uses one core at most. Near 100 %: run more processes.",
            Query(f"rate(process_cpu_seconds_total{WEB}[$__rate_interval])", "{{instance}}"),
            unit="percentunit",
            width=6,
            limits=Limits(0.7, 0.9),
            runbook="event-loop-lag",
        ),
        lines(
            "Memory",
            "Grows with the connections and stays. If it grows without end, restart the process: "
            "people are back within seconds.",
            Query(f"process_resident_memory_bytes{WEB}", "{{instance}}"),
            unit="bytes",
            width=6,
        ),
        lines(
            "Event-loop lag, 99 %",
            "How late the loop comes round that serves all connections of the process. Over 250 ms "
            "people feel it.",
            Query(
                "histogram_quantile(0.99, sum by (le, instance) "
                f"(rate(veche_event_loop_lag_seconds_bucket{WEB}[$__rate_interval])))",
                "{{instance}}",
            ),
            unit="s",
            width=6,
            limits=Limits(0.1, 0.25),
            runbook="event-loop-lag",
        ),
        lines(
            "Open files and sockets",
            "Of each process, and the most that it may open.",
            Query(f"process_open_fds{WEB}", "{{instance}}"),
            Query(f"max(process_max_fds{WEB})", "limit"),
            width=6,
        ),
        lines(
            "Clocks",
            "How far the clock of each process's machine is from those of log, bus and database; "
            "the worst of the three. Nothing is lost by it, but shown times are wrong.",
            Query("max by (job, instance) (abs(veche_clock_skew_seconds))", "{{job}} {{instance}}"),
            unit="s",
            width=24,
            limits=Limits(5, 60),
            runbook="clocks-apart",
        ),
    ],
)
BREAKERS = Row(
    "Circuit breakers",
    [
        lines(
            "State, the worst of all processes",
            "0 closed, 1 half-open, 2 open. Not closed for a minute: the dependency is away.",
            Query(f"max by (dependency) (veche_breaker_state{WEB})", "{{dependency}}"),
            limits=Limits(1, 2),
            runbook="breaker-open",
        ),
        lines(
            "Calls refused at once",
            "What an open breaker keeps from waiting, each second.",
            Query(
                f"sum by (dependency) (rate(veche_breaker_refusals_total{WEB}[$__rate_interval]))",
                "{{dependency}}",
            ),
            unit="cps",
            runbook="breaker-open",
        ),
        lines(
            "Draining, and appends that wait",
            "Processes that let their connections go before they stop, and events that wait for "
            "the log in all of them (at most 10,000 in each).",
            Query(f"sum(veche_draining{WEB})", "draining"),
            Query(f"sum(veche_appends_waiting{WEB})", "appends waiting"),
        ),
    ],
)
LOG = Row(
    "Log and bus",
    [
        lines(
            "Memory in use",
            "The log holds what is not stored yet, the newest events of rooms in use and the dead "
            "letters. At its limit it refuses appends; a limit of 0 is none.",
            Query("max by (server) (veche_server_memory_bytes)", "{{server}}"),
            Query("max by (server) (veche_server_memory_max_bytes)", "{{server}} limit"),
            unit="bytes",
            runbook="log-memory",
        ),
        lines(
            "Append-only file",
            "Size on the log's disk. It is rewritten when it has doubled, and needs room for a "
            "second copy then.",
            Query("max(veche_log_file_bytes)", "file"),
            unit="bytes",
            runbook="log-disk",
        ),
        lines(
            "Time of an append",
            "One call that appends a batch, its fsync included. This is the log's disk: tens of "
            "milliseconds mean a slow one, or a noisy neighbour.",
            *percentiles("veche_append_seconds"),
            unit="s",
            runbook="log-disk",
        ),
        lines(
            "Events in an append",
            "On average. Under load many share one fsync.",
            Query(
                "sum(rate(veche_append_batch_events_sum[$__rate_interval]))"
                " / sum(rate(veche_append_batch_events_count[$__rate_interval]))",
                "events",
            ),
            width=6,
        ),
        lines(
            "Waiting in the ingest streams",
            "Events that the log keeps until PostgreSQL has them; it takes memory of the log.",
            Query("max(veche_ingest_events)", "events"),
            width=6,
            runbook="stored-lag",
        ),
        lines(
            "Connections",
            "To log and bus. A steady rise is a leak.",
            Query("max by (server) (veche_server_clients)", "{{server}}"),
            width=6,
        ),
        lines(
            "Writes to disk",
            "1 while the log can write its append-only file. 0: its disk is full or broken.",
            Query("min(veche_log_writes_ok)", "writes"),
            width=6,
            limits=Limits(1, 1, low=True),
            runbook="log-disk",
        ),
    ],
)
DATABASE = Row(
    "PostgreSQL",
    [
        lines(
            "Pools of the web processes",
            "Connections in use and idle, summed, and how many there may be (DB_POOL_MAX).",
            Query(
                f"sum by (state) (veche_database_pool_connections{WEB})",
                "{{state}}",
            ),
            width=6,
        ),
        lines(
            "Waiting for a connection",
            "Callers that wait. Steadily above 0: raise DB_POOL_MAX, or find the slow statement.",
            Query(f"sum(veche_database_pool_waiting{WEB})", "waiting"),
            width=6,
            limits=Limits(1, 10),
        ),
        lines(
            "Connections to the server",
            "All of them, and the most that PostgreSQL allows. Near it: fewer processes, smaller "
            "pools, or a pooler in front.",
            Query("max by (state) (veche_database_connections)", "{{state}}"),
            width=6,
        ),
        lines(
            "Size of the database",
            "Events are kept for good, so this grows with what people write.",
            Query("max(veche_database_bytes)", "size"),
            unit="bytes",
            width=6,
            runbook="disk-filling",
        ),
    ],
)
KAFKA = Row(
    "Event bus",
    [
        lines(
            "Errors of the Kafka client",
            "In the last five minutes, by class. A few while brokers restart; always some: the "
            "brokers or the way to them.",
            Query(
                or_none("sum by (error) (increase(veche_kafka_errors_total[5m]))", "error"),
                "{{error}}",
            ),
            width=12,
            runbook="exported-lag",
        ),
        lines(
            "Acknowledged by the bus",
            "Events each second, on Kafka or the Redis Stream.",
            Query("sum(rate(veche_events_exported_total[$__rate_interval]))", "events"),
            unit="cps",
            width=12,
            runbook="exported-lag",
        ),
    ],
)
MACHINE = Row(
    "Machine",
    [
        lines(
            "CPU in use",
            "Of all cores of each machine. Full for long: everything above is slow, whatever it "
            "says.",
            Query(
                "1 - avg by (instance) "
                '(rate(node_cpu_seconds_total{job="node", mode="idle"}[$__rate_interval]))',
                "{{instance}}",
            ),
            unit="percentunit",
            limits=Limits(0.8, 0.95),
        ),
        lines(
            "Memory in use",
            "Of each machine, without caches that it can give back. Full: the kernel ends "
            "processes.",
            Query(
                '1 - node_memory_MemAvailable_bytes{job="node"}'
                ' / node_memory_MemTotal_bytes{job="node"}',
                "{{instance}}",
            ),
            unit="percentunit",
            limits=Limits(0.85, 0.95),
        ),
        lines(
            "File systems, share left",
            "The log's, PostgreSQL's and Kafka's must never fill up.",
            Query(
                f"min by (instance, device) (node_filesystem_avail_bytes{FILE_SYSTEMS}"
                f" / node_filesystem_size_bytes{FILE_SYSTEMS})",
                "{{device}}",
            ),
            unit="percentunit",
            limits=Limits(0.2, 0.1, low=True),
            runbook="disk-filling",
        ),
    ],
)
INFRASTRUCTURE = Board(
    "infrastructure",
    "Infrastructure",
    "What Veche stands on: its processes, the log, the bus, PostgreSQL, the event bus, the "
    "machine.",
    [NOW, PROCESSES, BREAKERS, LOG, DATABASE, KAFKA, MACHINE],
    choices=[Choice("instance", "Web process", 'up{job="web"}', "instance")],
)
