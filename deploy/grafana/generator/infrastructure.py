"""What Veche runs on: its processes, PostgreSQL, the log, the bus, Kafka, the machine."""

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
# Pseudo file systems never fill up. One device may be mounted many times.
FILE_SYSTEMS = '{job="node", fstype!~"tmpfs|ramfs|squashfs|iso9660"}'

DOWN_OR_UP = {0: ("down", RED), 1: ("up", GREEN)}


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
            "Whether the log server answers. Down: nobody can send, and outboxes keep what people "
            "write.",
            'min(veche_source_up{source="log"})',
            words=DOWN_OR_UP,
            runbook="breaker-open",
        ),
        number(
            "PostgreSQL",
            "Whether it answers. Down: sending and live reading go on, connecting and storing do "
            "not.",
            'min(veche_source_up{source="database"})',
            words=DOWN_OR_UP,
            runbook="breaker-open",
        ),
        number(
            "Bus",
            "Whether it answers. Down: other people's messages come with the heartbeat, and "
            "storing waits.",
            'min(veche_source_up{source="bus"})',
            words=DOWN_OR_UP,
            runbook="breaker-open",
        ),
        number(
            "Versions",
            "How many versions of Veche run at once. More than one: an upgrade is in progress, or "
            "was left unfinished.",
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
            "Grows with the connections and stays there. If it grows without end, restart the "
            "process: people are back within seconds.",
            Query(f"process_resident_memory_bytes{WEB}", "{{instance}}"),
            unit="bytes",
            width=6,
        ),
        lines(
            "Event-loop lag, 99 %",
            "How late the event loop is that serves all connections of the process. People notice "
            "more than 250 ms.",
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
            "Open per process, and the most that it may open.",
            Query(f"process_open_fds{WEB}", "{{instance}}"),
            Query(f"max(process_max_fds{WEB})", "limit"),
            width=6,
        ),
        lines(
            "Clocks",
            "How far the clock of each process's machine is from those of log, bus and database; "
            "the worst of the three. Nothing is lost, but displayed times are wrong.",
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
            "0 closed, 1 half-open, 2 open. Not closed for a minute: the dependency is down.",
            Query(f"max by (dependency) (veche_breaker_state{WEB})", "{{dependency}}"),
            limits=Limits(1, 2),
            runbook="breaker-open",
        ),
        lines(
            "Calls refused at once",
            "Calls per second that an open breaker refused instead of letting them wait.",
            Query(
                f"sum by (dependency) (rate(veche_breaker_refusals_total{WEB}[$__rate_interval]))",
                "{{dependency}}",
            ),
            unit="cps",
            runbook="breaker-open",
        ),
        lines(
            "Stopping, and appends that wait",
            "Processes that let their connections go before they stop, and events that wait for "
            "the log in all processes (at most 10,000 in each).",
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
            "The log holds what is not stored yet, the newest events of rooms in use, and dead "
            "letters. At its limit it refuses appends; 0 means no limit.",
            Query("max by (server) (veche_server_memory_bytes)", "{{server}}"),
            Query("max by (server) (veche_server_memory_max_bytes)", "{{server}} limit"),
            unit="bytes",
            runbook="log-memory",
        ),
        lines(
            "Append-only file",
            "Size on the log's disk. The file is rewritten when it has doubled, and then needs "
            "space for a second copy.",
            Query("max(veche_log_file_bytes)", "file"),
            unit="bytes",
            runbook="log-disk",
        ),
        lines(
            "Time of an append",
            "One call that appends a batch, including its fsync. This depends on the log's disk: "
            "tens of milliseconds mean a slow one, or a noisy neighbour.",
            *percentiles("veche_append_seconds"),
            unit="s",
            runbook="log-disk",
        ),
        lines(
            "Events in an append",
            "On average. Under load, many events share one fsync.",
            Query(
                "sum(rate(veche_append_batch_events_sum[$__rate_interval]))"
                " / sum(rate(veche_append_batch_events_count[$__rate_interval]))",
                "events",
            ),
            width=6,
        ),
        lines(
            "Waiting in the ingest streams",
            "Events that the log keeps until PostgreSQL has them. They take the log's memory.",
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
            "Connections in use and idle, in total, and how many there may be (DB_POOL_MAX).",
            Query(
                f"sum by (state) (veche_database_pool_connections{WEB})",
                "{{state}}",
            ),
            width=6,
        ),
        lines(
            "Waiting for a connection",
            "Callers that wait. If it stays above 0, raise DB_POOL_MAX, or find the slow "
            "statement.",
            Query(f"sum(veche_database_pool_waiting{WEB})", "waiting"),
            width=6,
            limits=Limits(1, 10),
        ),
        lines(
            "Connections to the server",
            "All connections, and the most that PostgreSQL allows. Near the limit: use fewer "
            "processes, smaller pools, or a pooler in front.",
            Query("max by (state) (veche_database_connections)", "{{state}}"),
            width=6,
        ),
        lines(
            "Size of the database",
            "Events are kept permanently, so this grows with what people write.",
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
            "In the last five minutes, by class. A few are normal while brokers restart; if they "
            "persist, look at the brokers or the network to them.",
            Query(
                or_none("sum by (error) (increase(veche_kafka_errors_total[5m]))", "error"),
                "{{error}}",
            ),
            width=12,
            runbook="exported-lag",
        ),
        lines(
            "Acknowledged by the event bus",
            "Events per second, on Kafka or the Redis Stream.",
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
            "Of all cores of each machine. If it stays full, everything above is slow, whatever it "
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
            "Of each machine, without reclaimable caches. When it is full, the kernel kills "
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
    "What Veche runs on: its processes, the log, the bus, PostgreSQL, the event bus, the machine.",
    [NOW, PROCESSES, BREAKERS, LOG, DATABASE, KAFKA, MACHINE],
    choices=[Choice("instance", "Web process", 'up{job="web"}', "instance")],
)
