"""Lets a task that waited too long be dropped, by the broker's clock alone.

Celery turns `expires` into a time of the sender's clock and compares it with that of the worker. A
worker a minute ahead of the web processes then drops every drain, and one ten seconds ahead of
beat every sweep. So the time goes into a header of our own, as the broker's server tells it to the
sender, and is compared with what the same server tells the worker. Celery's own stays as a bound
for when that server says nothing, an hour later, which is more than clocks are ever apart.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from celery.signals import before_task_publish

from chat.servers import clocks

UNTIL_HEADER = "veche_until"
CLOCKS_ARE_WITHIN = timedelta(hours=1)


def connect() -> None:
    """For every task that this process sends. Calling it again changes nothing."""
    before_task_publish.connect(_by_the_broker, dispatch_uid="chat.task_queue.expiry")


def is_over(request: object) -> bool:
    """Whether the time of a task has passed that a worker is about to run.

    False also while the broker's server does not say what time it is.
    """
    until = getattr(request, UNTIL_HEADER, None)
    # From the broker, so it could be anything.
    if not isinstance(until, int | float):
        return False
    return clocks.BUS.is_known() and clocks.BUS.seconds() > until


def _by_the_broker(headers: dict[str, Any], **_: Any) -> None:
    given = headers.get("expires")
    if given is None:
        return
    # Made from the same clock a moment ago, so that what is left is right.
    until = datetime.fromisoformat(given) if isinstance(given, str) else given
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    left_seconds = (until - datetime.now(UTC)).total_seconds()
    headers["expires"] = (until + CLOCKS_ARE_WITHIN).isoformat()
    if clocks.BUS.is_known():
        headers[UNTIL_HEADER] = clocks.BUS.seconds() + left_seconds
