"""What processes count. Labels never hold ids of people or rooms."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

HINTS_DROPPED = Counter(
    "veche_hints_dropped_total", "Hints that a full queue or an absent bus swallowed."
)
HUB_GAPS = Counter(
    "veche_hub_gaps_total", "Gaps in a room's hints that the hub filled from the room log."
)
SOCKETS = Gauge("veche_sockets", "WebSocket connections that have said hello.")
SOCKETS_CLOSED = Counter(
    "veche_sockets_closed_total", "Connections that the server ended, by close code.", ["code"]
)
FRAMES_REFUSED = Counter(
    "veche_frames_refused_total", "Client frames answered with an error, by error code.", ["code"]
)
PRESENCE_FAILURES = Counter(
    "veche_presence_failures_total", "Presence updates that the bus did not take."
)
READ_MARKERS_DROPPED = Counter(
    "veche_read_markers_dropped_total", "Read markers that could not be stored in time."
)
DEAD_LETTERS = Counter(
    "veche_dead_letters_total", "Failures that became dead letters.", ["source", "reason"]
)
DEAD_LETTER_RETRIES = Counter(
    "veche_dead_letter_retries_total", "Retries of dead letters, by how they ended.", ["outcome"]
)
TASK_FAILURES = Counter(
    "veche_task_failures_total",
    "Runs of Celery tasks that failed, by what became of the task.",
    ["task", "outcome"],
)
BREAKER_STATE = Gauge(
    "veche_breaker_state",
    "Circuit breaker of a dependency: 0 closed, 1 half-open, 2 open.",
    ["dependency"],
)
BREAKER_TRANSITIONS = Counter(
    "veche_breaker_transitions_total", "Changes of a circuit breaker's state.", ["dependency", "to"]
)
BREAKER_REFUSALS = Counter(
    "veche_breaker_refusals_total", "Calls that an open circuit breaker refused.", ["dependency"]
)
# Set from what lies on the bus (`chat.delivery_health`), so any process's value is the right one.
DELIVERY_VIOLATIONS = Gauge(
    "veche_delivery_violations",
    "Differences that the last check of recent rooms found, by what was compared.",
    ["check"],
    multiprocess_mode="mostrecent",
)
DELIVERY_CHECKED_AT = Gauge(
    "veche_delivery_checked_timestamp_seconds",
    "When the last check of recent rooms began; 0 when there was none.",
    multiprocess_mode="mostrecent",
)
DELIVERY_ROOMS = Gauge(
    "veche_delivery_rooms",
    "Rooms that the last check looked at, and those that it had no time for.",
    ["state"],
    multiprocess_mode="mostrecent",
)
WATERMARK_LAG_EVENTS = Gauge(
    "veche_watermark_lag_events",
    "Events that are logged and not stored, or stored and not exported.",
    ["stage"],
    multiprocess_mode="mostrecent",
)
WATERMARK_LAG_SECONDS = Gauge(
    "veche_watermark_lag_seconds",
    "How long the oldest event has waited to be stored or exported.",
    ["stage"],
    multiprocess_mode="mostrecent",
)
