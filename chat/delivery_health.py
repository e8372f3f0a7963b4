"""What the periodic verification found, kept where every process that shows metrics can read it.

The result lies on the bus, and a web process shows it when it is asked for metrics
(`chat.installation_metrics`): the same numbers everywhere, whoever ran the check.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
from django.conf import settings

from chat import bus
from chat.event_bus import event_bus
from chat.verify import Report, Verifier
from chat.verify.lags import Lag, exported_lag, stored_lag
from chat.verify.log_reader import active_rooms

logger = logging.getLogger(__name__)

KEY = "veche:delivery-health"
LOCK = "veche:delivery-health:checking"
KEPT_SECONDS = 24 * 3600
# Twice as long as the pause between two checks, so that nothing falls between them.
WINDOW = timedelta(minutes=2)
# A check must be over before the next one begins; the rooms it had no time for differ each time.
CHECK_SECONDS = 30.0
LOCK_SECONDS = 120
MAX_ROOMS = 5_000
# Rooms that were wrong are looked at until they are right, so that an alert does not go away.
MAX_WRONG_ROOMS = 100


class DeliveryHealth(msgspec.Struct, frozen=True):
    """The result of one check. `violations` has the names of `Check`; absent ones are 0."""

    checked_at: datetime
    rooms: int
    rooms_left: int
    events: int
    violations: dict[str, int]
    stored: Lag
    exported: Lag
    wrong_rooms: dict[int, datetime] = {}
    """Rooms with violations → since when they are to be looked at."""


def check_recent_rooms() -> DeliveryHealth | None:
    """Verifies rooms in which something happened a moment ago; None while another check runs.

    Raises: RetryableError or redis.RedisError when a source or the bus is away.
    """
    client = bus.blocking_client()
    if not client.set(LOCK, 1, nx=True, ex=LOCK_SECONDS):
        return None
    try:
        health = _check()
        client.set(KEY, msgspec.json.encode(health), ex=KEPT_SECONDS)
    finally:
        client.delete(LOCK)
    return health


def _check() -> DeliveryHealth:
    shards = settings.ENV.shards
    began = datetime.now(UTC)
    since = began - WINDOW
    since_ms = int(since.timestamp() * 1000)
    earlier = last_check()
    wrong = {} if earlier is None else earlier.wrong_rooms
    active = [room for shard in range(shards) for room in active_rooms(shard, since_ms)]
    recent = [room for room in active if room not in wrong]
    chosen = random.sample(recent, min(len(recent), MAX_ROOMS))
    reports = [_verify(chosen, since)]
    if wrong:
        reports.append(_verify(list(wrong), min(wrong.values())))
    findings = [finding for report in reports for finding in report.findings]
    for finding in findings:
        # By place, never by content: this is what an operator searches for.
        logger.error(
            "delivery violation: %s", finding, extra={"room": finding.room, "seq": finding.seq}
        )
    still_wrong = {one.room: wrong.get(one.room, since) for one in findings if one.room is not None}
    if any(report.rooms_left for report in reports[1:]):
        still_wrong = wrong | still_wrong  # which of them were not looked at is not known
    return DeliveryHealth(
        checked_at=began,
        rooms=sum(report.rooms for report in reports),
        rooms_left=sum(report.rooms_left for report in reports) + len(recent) - len(chosen),
        events=sum(report.events for report in reports),
        violations=Counter(str(finding.check) for finding in findings),
        stored=stored_lag(shards),
        exported=exported_lag(shards),
        wrong_rooms=dict(list(still_wrong.items())[:MAX_WRONG_ROOMS]),
    )


def _verify(rooms: list[int], since: datetime) -> Report:
    verifier = Verifier(settings.ENV.shards, event_bus(), since=since, seconds=CHECK_SECONDS)
    return verifier.verify(rooms)


def last_check() -> DeliveryHealth | None:
    """The result of the last check; None when there was none. Raises: redis.RedisError."""
    found = bus.blocking_client().get(KEY)
    return None if found is None else msgspec.json.decode(found, type=DeliveryHealth)
