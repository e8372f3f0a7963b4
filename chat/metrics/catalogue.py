"""Every metric of Veche: its name, type, unit, labels and meaning.

docs/metrics.md is made from this module (`manage.py metrics_page`). Labels have few values, all
of them ours: never ids or names of people or rooms. The module that knows the number sets it.
"""

from __future__ import annotations

from chat.events import EventType
from chat.metrics.types import EVENTS, LAG_SECONDS, InstallationGauge, Tally, Where
from chat.metrics.types import counter as _counter
from chat.metrics.types import gauge as _gauge
from chat.metrics.types import histogram as _histogram
from chat.protocol import CloseCode, ErrorCode

DEPENDENCIES = ("log", "database", "bus")
FRAME_TYPES = (
    "hello", "send", "reply", "edit", "delete", "react", "sync", "history", "thread",
    "read", "thread_read", "typing", "seen", "ping", "refused",
)  # fmt: skip
APPEND_OUTCOMES = ("logged", "repeat", "unchanged", "refused", "unavailable")
PROBE_STAGES = ("ack", "delivery", "stored", "exported", "rolled_up")

# --- Any process --------------------------------------------------------------------------------

BUILD_INFO = _gauge(
    "veche_build_info",
    "Always 1; the labels say what runs.",
    unit="constant",
    where=Where.ANY,
    labels={"version": "version of Veche", "python": "version of Python"},
    over_children="livemax",
)
CLOCK_SKEW_SECONDS = _gauge(
    "veche_clock_skew_seconds",
    "How far the clock of this process's machine is ahead of a server's; below 0, behind it. Asked "
    "every 15 s; nothing depends on it but times that are shown and alerts that compare times.",
    unit="seconds",
    where=Where.ANY,
    labels={"server": "`log`, `bus`, `database`"},
    over_children="livemax",
)

# --- Web: connections and frames ----------------------------------------------------------------

SOCKETS = _gauge(
    "veche_sockets",
    "WebSocket connections of people and programs that have been let in.",
    unit="connections",
    where=Where.WEB,
)
PEOPLE_CONNECTED = _gauge(
    "veche_people_connected",
    "People and programs with a connection to this process; several tabs of one person count once.",
    unit="people",
    where=Where.WEB,
)
ROOMS_OPEN = _gauge(
    "veche_rooms_open",
    "Rooms of which a member is connected to this process.",
    unit="rooms",
    where=Where.WEB,
)
SOCKETS_OPENED = Tally(
    "veche_sockets_opened_total", "WebSocket connections that were let in.", unit="connections"
)
SOCKETS_CLOSED = _counter(
    "veche_sockets_closed_total",
    "Connections that the server ended, by close code.",
    unit="connections",
    where=Where.WEB,
    labels={"code": "close code of the protocol: 1012, 4400, 4401, 4403, 4408, 4429"},
    each=[int(code) for code in CloseCode],
)
SLOW_READERS = _counter(
    "veche_slow_readers_total",
    "Connections that were closed because the client did not keep up.",
    unit="connections",
    where=Where.WEB,
    labels={
        "reason": "`unconfirmed` (too much without `seen`), `queue_full` (too many frames wait), "
        "`unsent` (too much waits for the network), `broken` (the server accepted no more)"
    },
    each=["unconfirmed", "queue_full", "unsent", "broken"],
)
FRAMES_RECEIVED = Tally(
    "veche_frames_received_total",
    "Frames from clients, by type; `refused` are those that are not valid frames.",
    unit="frames",
    labels={"type": "type of the frame (`t`), or `refused`"},
    each=FRAME_TYPES,
)
FRAMES_SENT = Tally("veche_frames_sent_total", "Frames to clients.", unit="frames")
FRAMES_REFUSED = _counter(
    "veche_frames_refused_total",
    "Client frames answered with an error, by error code.",
    unit="frames",
    where=Where.WEB,
    labels={"code": "error code of the protocol"},
    each=list(ErrorCode),
)
REQUESTS_REFUSED = _counter(
    "veche_requests_refused_total",
    "Requests to the API that were refused (429) before anybody looked whose they were, since too "
    "many of the same person or address had been refused. Django's metrics do not count them.",
    unit="requests",
    where=Where.WEB,
)
ACK_SECONDS = _histogram(
    "veche_ack_seconds",
    "From a frame that appends to its `ok`: the event is on disk.",
    unit="seconds",
    where=Where.WEB,
)
DELIVERY_SECONDS = _histogram(
    "veche_delivery_seconds",
    "From an event's time in the log to its frame for the connections of this process, once for "
    "each frame, by its oldest event. The clocks of two machines are compared.",
    unit="seconds",
    where=Where.WEB,
)
HUB_BATCH_EVENTS = _histogram(
    "veche_hub_batch_events",
    "Events that the hub put into one frame.",
    unit="events",
    where=Where.WEB,
    buckets=EVENTS,
)
HUB_GAPS = _counter(
    "veche_hub_gaps_total",
    "Gaps in a room's hints that the hub filled from the room log.",
    unit="gaps",
    where=Where.WEB,
)
HINTS_DROPPED = _counter(
    "veche_hints_dropped_total",
    "Hints lost because a queue was full or the bus was down; hubs and clients fill the gaps.",
    unit="hints",
    where=Where.ANY,
)
PRESENCE_FAILURES = _counter(
    "veche_presence_failures_total",
    "Presence updates that the bus did not accept.",
    unit="updates",
    where=Where.WEB,
)
READ_MARKERS_DROPPED = _counter(
    "veche_read_markers_dropped_total",
    "Read markers that could not be stored in time.",
    unit="read markers",
    where=Where.WEB,
)

# --- Web: appending to the room log -------------------------------------------------------------

EVENTS_LOGGED = _counter(
    "veche_events_logged_total",
    "Events that got their place in the room log, by type. Repeats are not counted.",
    unit="events",
    where=Where.ANY,
    labels={"type": "event type: `message.posted` …"},
    each=[kind for kind in EventType if kind is not EventType.EVENT_QUARANTINED],
)
APPENDS = _counter(
    "veche_appends_total",
    "Requests to append an event, by how they ended.",
    unit="requests",
    where=Where.ANY,
    labels={
        "outcome": "`logged`, `repeat` (had its place), `unchanged` (nothing to log), `refused` "
        "(by the room's rules), `unavailable` (sent again by whoever asked)"
    },
    each=APPEND_OUTCOMES,
)
APPEND_SECONDS = _histogram(
    "veche_append_seconds",
    "One call of the log server that appends a batch of events, its fsync included.",
    unit="seconds",
    where=Where.ANY,
)
APPEND_BATCH_EVENTS = _histogram(
    "veche_append_batch_events",
    "Events that one call of the log server carried.",
    unit="events",
    where=Where.ANY,
    buckets=EVENTS,
)
APPENDS_WAITING = _gauge(
    "veche_appends_waiting",
    "Events that wait for their place in the log, at most 10,000 in a process.",
    unit="events",
    where=Where.WEB,
)

# --- Web: the process itself --------------------------------------------------------------------

EVENT_LOOP_LAG_SECONDS = _histogram(
    "veche_event_loop_lag_seconds",
    "How late the event loop resumed after a timed wait, measured twice a second.",
    unit="seconds",
    where=Where.WEB,
)
DRAINING = _gauge(
    "veche_draining",
    "1 while the process lets its connections go before it stops.",
    unit="flag",
    where=Where.WEB,
)
DATABASE_POOL = _gauge(
    "veche_database_pool_connections",
    "Connections to PostgreSQL in this process's pool.",
    unit="connections",
    where=Where.WEB,
    labels={"state": "`used`, `idle`, `max` (`DB_POOL_MAX`)"},
)
DATABASE_POOL_WAITING = _gauge(
    "veche_database_pool_waiting",
    "Callers that wait for a connection of the pool.",
    unit="callers",
    where=Where.WEB,
)
BREAKER_STATE = _gauge(
    "veche_breaker_state",
    "Circuit breaker of a dependency: 0 closed, 1 half-open, 2 open.",
    unit="state",
    where=Where.WEB,
    labels={"dependency": "`log`, `database`, `bus`"},
    over_children="livemax",
)
BREAKER_TRANSITIONS = _counter(
    "veche_breaker_transitions_total",
    "Changes of a circuit breaker's state.",
    unit="changes",
    where=Where.WEB,
    labels={"dependency": "`log`, `database`, `bus`", "to": "`closed`, `half_open`, `open`"},
)
BREAKER_REFUSALS = _counter(
    "veche_breaker_refusals_total",
    "Calls that an open circuit breaker refused.",
    unit="calls",
    where=Where.WEB,
    labels={"dependency": "`log`, `database`, `bus`"},
    each=DEPENDENCIES,
)
for _dependency in DEPENDENCIES:
    for _state in ("closed", "half_open", "open"):
        BREAKER_TRANSITIONS.labels(_dependency, _state)

# --- Workers: storing and exporting -------------------------------------------------------------

EVENTS_STORED = _counter(
    "veche_events_stored_total",
    "Events committed to PostgreSQL, placeholders included: the drain rate.",
    unit="events",
    where=Where.WORKER,
)
STORED_SECONDS = _histogram(
    "veche_stored_seconds",
    "From an event's time in the log to its commit in PostgreSQL. The clocks of two machines are "
    "compared.",
    unit="seconds",
    where=Where.WORKER,
    buckets=LAG_SECONDS,
)
DRAIN_SECONDS = _histogram(
    "veche_drain_batch_seconds",
    "Storing one batch of a shard, from taking the cursor to telling the log.",
    unit="seconds",
    where=Where.WORKER,
)
DRAIN_BATCH_EVENTS = _histogram(
    "veche_drain_batch_events",
    "Events that one transaction stored.",
    unit="events",
    where=Where.WORKER,
    buckets=EVENTS,
)
EVENTS_EXPORTED = _counter(
    "veche_events_exported_total",
    "Events that the event bus acknowledged: the export rate. Publishing again counts again.",
    unit="events",
    where=Where.WORKER,
)
EXPORTED_SECONDS = _histogram(
    "veche_exported_seconds",
    "From an event's time in the log to the event bus's acknowledgement. The clocks of two "
    "machines are compared.",
    unit="seconds",
    where=Where.WORKER,
    buckets=LAG_SECONDS,
)
EXPORT_SECONDS = _histogram(
    "veche_export_batch_seconds",
    "Publishing one batch of a shard, all acknowledgements included.",
    unit="seconds",
    where=Where.WORKER,
)
EXPORT_BATCH_EVENTS = _histogram(
    "veche_export_batch_events",
    "Events that one batch published.",
    unit="events",
    where=Where.WORKER,
    buckets=EVENTS,
)
EXPORT_FAILURES = _counter(
    "veche_export_failures_total",
    "Events that the event bus did not accept, by whether they are tried again.",
    unit="events",
    where=Where.WORKER,
    labels={"kind": "`unacknowledged` (tried again), `refused` (a dead letter), `away` (no batch)"},
    each=["unacknowledged", "refused", "away"],
)
EXPORTS_BEGUN_AGAIN = _counter(
    "veche_exports_begun_again_total",
    "Shards that are published from the start, because the event bus is another one than before.",
    unit="shards",
    where=Where.WORKER,
)
KAFKA_ERRORS = _counter(
    "veche_kafka_errors_total",
    "Errors of the Kafka client, by class.",
    unit="errors",
    where=Where.ANY,
    labels={"error": "class of the error: `KafkaTimeoutError` …"},
    each=["KafkaTimeoutError", "KafkaConnectionError"],
)
DEAD_LETTERS = _counter(
    "veche_dead_letters_total",
    "Failures that became dead letters.",
    unit="dead letters",
    where=Where.ANY,
    labels={
        "source": "`persist`, `export`, `analytics`, `task:<name>`",
        "reason": "class of the failure: `refused`, `unreadable` …",
    },
)
DEAD_LETTER_RETRIES = _counter(
    "veche_dead_letter_retries_total",
    "Retries of dead letters, by how they ended.",
    unit="retries",
    where=Where.ANY,
    labels={
        "outcome": "`done`, `sent` (a task has it), `waiting`, `parked`, `gone`, `busy`, `early`, "
        "`lost` (took too long)"
    },
    each=["done", "sent", "waiting", "parked", "gone", "busy", "early", "lost"],
)

# --- Workers: Celery ----------------------------------------------------------------------------

TASK_SECONDS = _histogram(
    "veche_task_seconds",
    "How long runs of a Celery task took; its count is the number of runs.",
    unit="seconds",
    where=Where.WORKER,
    labels={"task": "name of the task"},
)
TASK_WAIT_SECONDS = _histogram(
    "veche_task_wait_seconds",
    "From sending a Celery task to its start: the time in the queue.",
    unit="seconds",
    where=Where.WORKER,
    labels={"task": "name of the task"},
    buckets=LAG_SECONDS,
)
MAILS = _counter(
    "veche_mails_total",
    "Mails by what became of them.",
    unit="mails",
    where=Where.ANY,
    labels={"outcome": "`sent`, `later`, `refused`, `expired`, `dropped`"},
    each=("sent", "later", "refused", "expired", "dropped"),
)
TASK_FAILURES = _counter(
    "veche_task_failures_total",
    "Runs of Celery tasks that failed, by what became of the task.",
    unit="runs",
    where=Where.WORKER,
    labels={
        "task": "name of the task",
        "outcome": "`left_to_sweep`, `dead_letter`, `reported`, `unreported`",
    },
)
WORKER_CHILDREN = _gauge(
    "veche_worker_children",
    "Processes of the worker that run tasks.",
    unit="processes",
    where=Where.WORKER,
)

# --- The probe ----------------------------------------------------------------------------------

PROBE_SECONDS = _histogram(
    "veche_probe_seconds",
    "From sending the probe's message to the end of each stage.",
    unit="seconds",
    where=Where.PROBE,
    labels={"stage": "`ack`, `delivery`, `stored`, `exported`, `rolled_up`"},
    each=PROBE_STAGES,
    buckets=LAG_SECONDS,
)
PROBE_RUNS = _counter(
    "veche_probe_runs_total",
    "Runs of the probe.",
    unit="runs",
    where=Where.PROBE,
    labels={"result": "`ok`, `failed`"},
    each=["ok", "failed"],
)
PROBE_FAILURES = _counter(
    "veche_probe_failures_total",
    "Stages that did not end in time. After `connect` and `ack` the later ones are not tried.",
    unit="stages",
    where=Where.PROBE,
    labels={"stage": "`connect`, `ack`, `delivery`, `stored`, `exported`, `rolled_up`"},
    each=("connect", *PROBE_STAGES),
)
PROBE_LAST_SUCCESS = _gauge(
    "veche_probe_last_success_timestamp_seconds",
    "When the probe last went through all stages; 0 when it never did since the process began.",
    unit="seconds since 1970",
    where=Where.PROBE,
    over_children="livemax",
)

# --- The installation ---------------------------------------------------------------------------

SOURCE_UP = InstallationGauge(
    "veche_source_up",
    "Whether log, bus and database answered the question for the metrics below; those of a source "
    "that did not are missing.",
    unit="flag",
    labels={"source": "`log`, `bus`, `database`"},
)
WEAK_LOG = InstallationGauge(
    "veche_weak_log",
    "1 when the log server's settings may lose acknowledged messages, or ALLOW_WEAK_LOG is set.",
    unit="flag",
)
WEAK_DATABASE = InstallationGauge(
    "veche_weak_database",
    "1 when PostgreSQL's settings may lose what it has committed.",
    unit="flag",
)
WEAK_EVENT_BUS = InstallationGauge(
    "veche_weak_event_bus",
    "1 when the event bus's settings may lose what it has acknowledged: one replica, "
    "`min.insync.replicas` below 2, or unclean leader election.",
    unit="flag",
)
EVENT_BUS_REFUSED = InstallationGauge(
    "veche_event_bus_refused",
    "1 when nothing is published because the event bus is not what it has to be: a compacted "
    "topic, too few partitions.",
    unit="flag",
)
INGEST_EVENTS = InstallationGauge(
    "veche_ingest_events",
    "Length of all ingest streams: events that wait to be stored.",
    unit="events",
)
INGEST_LARGEST_SHARD_EVENTS = InstallationGauge(
    "veche_ingest_largest_shard_events",
    "Length of the longest ingest stream.",
    unit="events",
)
INGEST_OLDEST_SECONDS = InstallationGauge(
    "veche_ingest_oldest_seconds",
    "Age of the oldest event that is not stored; 0 when all are.",
    unit="seconds",
)
WATERMARK_LAG_EVENTS = InstallationGauge(
    "veche_watermark_lag_events",
    "Events that are logged and not stored, or stored and not exported; of a shard, at most "
    "10,000 are counted as not exported.",
    unit="events",
    labels={"stage": "`stored`, `exported`"},
)
WATERMARK_LAG_SECONDS = InstallationGauge(
    "veche_watermark_lag_seconds",
    "How long the oldest event has waited to be stored or exported.",
    unit="seconds",
    labels={"stage": "`stored`, `exported`"},
)
SHARDS_STOPPED = InstallationGauge(
    "veche_shards_stopped",
    "Shards that stopped because of too many dead letters: a person must look.",
    unit="shards",
    labels={"stage": "`persist`, `export`"},
)
EPOCH_CHANGES = InstallationGauge(
    "veche_epoch_changes",
    "How often a shard has had to begin a new epoch, all shards together: its log was lost, or a "
    "backup was restored.",
    unit="changes",
)
DEAD_LETTERS_OPEN = InstallationGauge(
    "veche_dead_letters_open",
    "Dead letters that are neither retried successfully nor discarded, by source; when there are "
    "more than 10,000, those of the first 10,000 that the log server names.",
    unit="dead letters",
    labels={"source": "`persist`, `export`, `analytics`, `task:<name>`"},
)
DEAD_LETTERS_OLDEST_SECONDS = InstallationGauge(
    "veche_dead_letters_oldest_seconds",
    "Age of the oldest open dead letter of each source.",
    unit="seconds",
    labels={"source": "as above"},
)
DEAD_LETTERS_WAITING = InstallationGauge(
    "veche_dead_letters_waiting",
    "Open dead letters by what they wait for, all of them.",
    unit="dead letters",
    labels={"state": "`due` (a retry), `parked` (a person)"},
)
DELIVERY_VIOLATIONS = InstallationGauge(
    "veche_delivery_violations",
    "Differences that the last check of recent rooms found, by what was compared.",
    unit="findings",
    labels={"check": "what was compared: `seq`, `bus` …"},
)
DELIVERY_CHECKED_AT = InstallationGauge(
    "veche_delivery_checked_timestamp_seconds",
    "When the last check of recent rooms began; 0 when there was none.",
    unit="seconds since 1970",
)
DELIVERY_ROOMS = InstallationGauge(
    "veche_delivery_rooms",
    "Rooms that the last check looked at, and those that it had no time for.",
    unit="rooms",
    labels={"state": "`checked`, `left`"},
)
ROOMS_ACTIVE = InstallationGauge(
    "veche_rooms_active",
    "Rooms in which something happened in the last five minutes.",
    unit="rooms",
)
PEOPLE_ACTIVE = InstallationGauge(
    "veche_people_active",
    "People and programs who wrote something in the last five minutes, as far as it is stored.",
    unit="people",
)
TASKS_QUEUED = InstallationGauge(
    "veche_tasks_queued", "Celery tasks in the broker's queues.", unit="tasks"
)
DRAINS_QUEUED = InstallationGauge(
    "veche_drains_queued",
    "Of these, the tasks in the queue of the drains, for which a process of each worker is kept "
    "free.",
    unit="tasks",
)
BEAT_AT = InstallationGauge(
    "veche_beat_heartbeat_timestamp_seconds",
    "When beat last had a task to send; 0 when the bus knows of none.",
    unit="seconds since 1970",
)
SERVER_MEMORY = InstallationGauge(
    "veche_server_memory_bytes",
    "Memory that the Redis-protocol servers use.",
    unit="bytes",
    labels={"server": "`log`, `bus`"},
)
SERVER_MEMORY_MAX = InstallationGauge(
    "veche_server_memory_max_bytes",
    "Their limit of memory (`maxmemory`); 0 for none. At the limit the log refuses appends.",
    unit="bytes",
    labels={"server": "`log`, `bus`"},
)
SERVER_CLIENTS = InstallationGauge(
    "veche_server_clients",
    "Connections to the Redis-protocol servers.",
    unit="connections",
    labels={"server": "`log`, `bus`"},
)
LOG_FILE_BYTES = InstallationGauge(
    "veche_log_file_bytes", "Size of the log server's append-only file.", unit="bytes"
)
LOG_WRITES_OK = InstallationGauge(
    "veche_log_writes_ok",
    "1 while the log server can write its append-only file; 0 when the last write, or the last "
    "time that it rewrote the file, failed: its disk is full or broken.",
    unit="flag",
)
DATABASE_BYTES = InstallationGauge(
    "veche_database_bytes", "Size of the PostgreSQL database.", unit="bytes"
)
DATABASE_CONNECTIONS = InstallationGauge(
    "veche_database_connections",
    "Connections to the PostgreSQL server, and the most that it allows.",
    unit="connections",
    labels={"state": "`used`, `max`"},
)
