"""Drops tasks that waited too long, by the broker's clock alone.

Celery turns `expires` into a time of the sender's clock and compares it with the worker's clock. A
worker a minute ahead of the web processes would then drop every drain, and one ten seconds ahead of
beat every sweep. So the time goes into a header of our own, by the clock of the broker's server,
and the worker compares it with the same clock. For when that server does not tell its time,
Celery's own `expires` stays as a bound, an hour later: clocks are never that far apart.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from celery.signals import before_task_publish

from chat.servers import clocks

UNTIL_HEADER = "veche_until"
CLOCKS_ARE_WITHIN = timedelta(hours=1)


def connect() -> None:
    """Sets the header on every task that this process sends. Calling it again changes nothing."""
    before_task_publish.connect(_by_the_broker, dispatch_uid="chat.task_queue.expiry")


def is_over(request: object) -> bool:
    """Whether a task that a worker is about to run has expired.

    False also while the broker's server does not tell its time.
    """
    until = getattr(request, UNTIL_HEADER, None)
    # This comes from the broker, so it could be anything.
    if not isinstance(until, int | float):
        return False
    return clocks.BUS.is_known() and clocks.BUS.seconds() > until


def _by_the_broker(headers: dict[str, Any], **_: Any) -> None:
    given = headers.get("expires")
    if given is None:
        return
    # Celery took it from this machine's clock a moment ago, so the difference is right.
    until = datetime.fromisoformat(given) if isinstance(given, str) else given
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    left_seconds = (until - datetime.now(UTC)).total_seconds()
    headers["expires"] = (until + CLOCKS_ARE_WITHIN).isoformat()
    if clocks.BUS.is_known():
        headers[UNTIL_HEADER] = clocks.BUS.seconds() + left_seconds
