"""The work behind the web processes: tasks, storing, exporting, counting."""

from __future__ import annotations

from deploy.grafana.generator.board import Board, Choice, Row
from deploy.grafana.generator.panels import Limits, Query, lines, number, or_none, percentiles

TASK = '{task=~"$task"}'

NOW = Row(
    "Now",
    [
        number(
            "Processes that run tasks",
            "Of all workers. 0: nothing is stored, see the runbook.",
            "sum(veche_worker_children)",
            limits=Limits(1, 1, low=True),
            runbook="worker-down",
            width=8,
        ),
        number(
            "Tasks in the queue",
            "Tasks only tell a worker to look, so a long queue is no backlog of messages; but it "
            "does mean that the workers do not keep up.",
            "max(veche_tasks_queued)",
            limits=Limits(100, 1000),
            width=8,
        ),
        number(
            "Drains in the queue",
            "The queued tasks that store messages. One process of each worker is kept free for "
            "them: a few that come and go are normal; if they stay, the workers do not keep up, "
            "and second ticks come late.",
            "max(veche_drains_queued)",
            limits=Limits(50, 500),
            width=8,
        ),
        number(
            "Beat sent a task",
            "How long ago. Beat sends one every 2 s; after 30 s nothing periodic is done any more.",
            "time() - max(veche_beat_heartbeat_timestamp_seconds)",
            "s",
            limits=Limits(10, 30),
            runbook="no-beat",
            width=8,
        ),
        number(
            "Failed runs, 1 h",
            "Runs of tasks that failed. Some are normal while a server restarts; the sweep takes "
            "up what they leave.",
            "sum(increase(veche_task_failures_total[1h])) or vector(0)",
            limits=Limits(50, 500),
            width=8,
        ),
        number(
            "Busy",
            "Share of the workers' processes that are busy. If it stays near 100 %, use more "
            "processes (WORKER_CONCURRENCY) or more workers.",
            "sum(rate(veche_task_seconds_sum[$__rate_interval])) / sum(veche_worker_children)",
            unit="percentunit",
            limits=Limits(0.7, 0.9),
            width=8,
        ),
    ],
)
TASKS = Row(
    "Tasks",
    [
        lines(
            "Runs, by task",
            "Per second. The sweeps run every 2 s, so if all are at 0, there is no beat, no worker "
            "or no bus.",
            Query(
                f"sum by (task) (rate(veche_task_seconds_count{TASK}[$__rate_interval]))",
                "{{task}}",
            ),
            unit="cps",
            width=12,
            runbook="no-beat",
        ),
        lines(
            "Failed runs, by task and what became of them",
            "In the last five minutes. `left_to_sweep` resolves itself; a "
            "`dead_letter` should be looked at.",
            Query(
                or_none(
                    f"sum by (task, outcome) (increase(veche_task_failures_total{TASK}[5m]))",
                    "task",
                ),
                "{{task}} {{outcome}}",
            ),
            width=12,
            runbook="dead-letters-growing",
        ),
        lines(
            "Time of a run, 95 %, by task",
            "A drain or an export works for at most 10 s and then leaves the worker to others.",
            Query(
                "histogram_quantile(0.95, sum by (le, task) "
                f"(rate(veche_task_seconds_bucket{TASK}[$__rate_interval])))",
                "{{task}}",
            ),
            unit="s",
            width=12,
        ),
        lines(
            "Wait in the queue, 95 %, by task",
            "From sending to the start. If it takes seconds, there are too few processes, or one "
            "long task occupies them.",
            Query(
                "histogram_quantile(0.95, sum by (le, task) "
                f"(rate(veche_task_wait_seconds_bucket{TASK}[$__rate_interval])))",
                "{{task}}",
            ),
            unit="s",
            width=12,
        ),
    ],
)
STORING = Row(
    "Storing: from the log to PostgreSQL",
    [
        lines(
            "Events stored",
            "Per second, of all workers. With a backlog this is the highest possible rate.",
            Query("sum(rate(veche_events_stored_total[$__rate_interval]))", "stored"),
            unit="cps",
            runbook="stored-lag",
        ),
        lines(
            "Time of a batch",
            "From taking the shard's cursor to telling the log: PostgreSQL's part and the log's.",
            *percentiles("veche_drain_batch_seconds"),
            unit="s",
        ),
        lines(
            "Events in a batch",
            "On average, at most 500. It grows with the load, which makes each event cheaper.",
            Query(
                "sum(rate(veche_drain_batch_events_sum[$__rate_interval]))"
                " / sum(rate(veche_drain_batch_events_count[$__rate_interval]))",
                "events",
            ),
        ),
    ],
)
EXPORTING = Row(
    "Exporting: from PostgreSQL to the event bus",
    [
        lines(
            "Events exported",
            "Per second. Events that are published again after a crash count again.",
            Query("sum(rate(veche_events_exported_total[$__rate_interval]))", "exported"),
            unit="cps",
            width=6,
            runbook="exported-lag",
        ),
        lines(
            "Time of a batch",
            "All acknowledgements included. After 12 s the batch has failed and is tried again.",
            *percentiles("veche_export_batch_seconds"),
            unit="s",
            width=6,
        ),
        lines(
            "Events in a batch",
            "On average, at most 1,000. It grows with the load, as for storing.",
            Query(
                "sum(rate(veche_export_batch_events_sum[$__rate_interval]))"
                " / sum(rate(veche_export_batch_events_count[$__rate_interval]))",
                "events",
            ),
            width=6,
        ),
        lines(
            "Not taken by the event bus",
            "In the last five minutes. `unacknowledged` and `away` are tried again; `refused` is a "
            "dead letter.",
            Query("sum by (kind) (increase(veche_export_failures_total[5m]))", "{{kind}}"),
            width=6,
            runbook="exported-lag",
        ),
    ],
)
COUNTING = Row(
    "Counting: from the event bus to the analytics",
    [
        lines(
            "Records, by what became of them",
            "Each second. `repeat` counts what was published twice, as after a crash; `bad` is a "
            "dead letter.",
            Query(
                "sum by (outcome) (rate(veche_analytics_events_total[$__rate_interval]))",
                "{{outcome}}",
            ),
            unit="cps",
        ),
        lines(
            "Time of a batch",
            "Reading, counting, and the commit of numbers and position together.",
            *percentiles("veche_analytics_batch_seconds"),
            unit="s",
        ),
        lines(
            "Records that wait",
            "Of all partitions. If it climbs, the consumer does not keep up, or stands still.",
            Query("sum(veche_analytics_waiting_records)", "records"),
            runbook="analytics-lag",
        ),
        lines(
            "How late",
            "From an event to its commit in the rollups, for the newest event of a batch.",
            Query("max(veche_analytics_delay_seconds)", "delay"),
            unit="s",
            width=12,
            runbook="analytics-lag",
        ),
        lines(
            "Stopped, dropped and failed",
            "Partitions that stand still because of too many bad records (somebody must look); "
            "batches that another process had counted; and calls without an answer, in five "
            "minutes.",
            Query("sum(veche_analytics_stopped_partitions)", "stopped"),
            Query("sum(increase(veche_analytics_fenced_total[5m]))", "dropped"),
            Query("sum(increase(veche_analytics_failures_total[5m]))", "failed"),
            width=12,
            runbook="analytics-stopped",
        ),
    ],
)
WORKERS = Board(
    "workers",
    "Workers",
    "What happens behind the web processes: tasks, storing, exporting, counting, beat.",
    [NOW, TASKS, STORING, EXPORTING, COUNTING],
    choices=[Choice("task", "Task", "veche_task_seconds_count", "task")],
)
