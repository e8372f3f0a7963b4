"""What the periodic verification found, kept where every process that serves metrics can read it.

The result is on the bus, and web processes report it in their metrics
(`chat.monitoring.installation_metrics`): the same numbers everywhere, whichever process ran the
check.

A room found wrong is checked again until it is right, so that an alert goes away only after a fix.
Slow checks (reading the event bus, or a busy room since then) are repeated at intervals that
double. A room that there is no time for keeps its last result.

| Key on the bus | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:delivery-health` | string | – | the last check: JSON |
| `veche:delivery-health:wrong` | hash | – | room → since when it is wrong, and in what |
| `veche:delivery-health:checking` | string | 2 min | a check is under way |
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import cast

import msgspec
from django.conf import settings

from chat.event_bus import event_bus
from chat.servers import clocks, redis_bus
from chat.verify import Check, VerificationReport, Verifier
from chat.verify.deadline import Clock, Deadline
from chat.verify.readers.lags import Lag, exported_lag, stored_lag
from chat.verify.readers.log_reader import active_rooms

logger = logging.getLogger(__name__)

# Neither expires: rooms found wrong stay listed even if no later check can finish.
KEY = "veche:delivery-health"
WRONG = "veche:delivery-health:wrong"
LOCK = "veche:delivery-health:checking"
# Twice as long as the pause between two checks, so that nothing falls between them.
WINDOW = timedelta(minutes=2)
# A check must be over before the next one begins, and before Celery ends it. The rooms that it has
# no time for differ each time. The recent rooms leave some time for those found wrong before.
CHECK_SECONDS = 55.0
RECENT_SECONDS = 40.0
LOCK_SECONDS = 120
MAX_ROOMS = 5_000
MAX_WRONG_ROOMS = 100
FIRST_WAIT = timedelta(minutes=1)
# How long an alert may outlive the fix.
LONGEST_WAIT = timedelta(hours=1)


class WrongRoom(msgspec.Struct, frozen=True):
    """A room to check again, from `since` on; `violations` is what was found last."""

    since: datetime
    violations: dict[str, int]
    again_at: datetime
    wait_seconds: float = 0.0  # 0: at each check

    @property
    def is_wrong_on_event_bus(self) -> bool:
        return str(Check.EXPORTED) in self.violations


class DeliveryHealth(msgspec.Struct, frozen=True):
    """The result of one check. The keys of `violations` are values of `Check`; absent ones are 0.

    `rooms_left` counts rooms that there was no time for, whether in PostgreSQL, on the event bus or
    in the rollups.
    """

    checked_at: datetime
    rooms: int
    rooms_left: int
    events: int
    violations: dict[str, int]
    stored: Lag
    exported: Lag


def check_recent_rooms(clock: Clock = time.monotonic) -> DeliveryHealth | None:
    """Verify rooms in which something happened recently; None while another check runs.

    Raises: RetryableError or redis.RedisError when a source or the bus is down.
    """
    client = redis_bus.blocking_client()
    if not client.set(LOCK, 1, nx=True, ex=LOCK_SECONDS):
        return None
    try:
        known = wrong_rooms()
        health, wrong = _check(known, clock)
        pipeline = client.pipeline(transaction=True)
        pipeline.set(KEY, msgspec.json.encode(health))
        # Only changes: another verification may have found a room right in the meantime.
        if right := known.keys() - wrong.keys():
            pipeline.hdel(WRONG, *map(str, right))
        for room, one in wrong.items():
            if one != known.get(room):
                pipeline.hset(WRONG, str(room), msgspec.json.encode(one))
        pipeline.execute()
    finally:
        client.delete(LOCK)
    return health


def _check(
    known: Mapping[int, WrongRoom], clock: Clock
) -> tuple[DeliveryHealth, dict[int, WrongRoom]]:
    """The result, and the rooms that are wrong from now on."""
    shards = settings.ENV.shards
    began = clocks.BUS.now()
    since = began - WINDOW
    since_ms = int(since.timestamp() * 1000)
    deadline = Deadline(CHECK_SECONDS, clock)
    active = [room for shard in range(shards) for room in active_rooms(shard, since_ms)]
    chosen = random.sample(active, min(len(active), MAX_ROOMS))
    recent_seconds = min(RECENT_SECONDS, deadline.seconds_left)
    reports = [_verify(chosen, since, recent_seconds, clock, with_bus=True)]
    due = {room: one for room, one in known.items() if one.again_at <= began}
    reports += _look_at_wrong(due, deadline, clock)

    by_room, without_room = _log_and_count(reports)
    left = set().union(*(report.unfinished for report in reports))
    left_of_due = set().union(*(report.unfinished for report in reports[1:]))
    for room, one in known.items():
        if room not in due or room in left_of_due:
            by_room[room] |= Counter(one.violations)  # the higher count of each check
    wrong = _wrong_from_now_on(known, by_room, due, left_of_due, since=since, now=began)
    health = DeliveryHealth(
        checked_at=began,
        rooms=reports[0].rooms + len(due.keys() - left_of_due - set(chosen)),
        rooms_left=len(left) + len(active) - len(chosen),
        events=sum(report.events for report in reports),
        violations=dict(sum(by_room.values(), without_room)),
        stored=stored_lag(shards),
        exported=exported_lag(shards),
    )
    return health, wrong


def _log_and_count(
    reports: Iterable[VerificationReport],
) -> tuple[defaultdict[int, Counter[str]], Counter[str]]:
    """Logs each finding once; returns how many there are of each check, by room and without one."""
    by_room: defaultdict[int, Counter[str]] = defaultdict(Counter)
    without_room: Counter[str] = Counter()
    for finding in {one.subject: one for report in reports for one in report.findings}.values():
        # The place, never the content: this is what an operator searches for.
        logger.error(
            "delivery violation: %s", finding, extra={"room": finding.room, "seq": finding.seq}
        )
        counter = without_room if finding.room is None else by_room[finding.room]
        counter[str(finding.check)] += 1
    return by_room, without_room


def _wrong_from_now_on(
    known: Mapping[int, WrongRoom],
    by_room: Mapping[int, Counter[str]],
    due: Mapping[int, WrongRoom],
    left_of_due: Set[int],
    *,
    since: datetime,
    now: datetime,
) -> dict[int, WrongRoom]:
    """The rooms to verify again until they are right.

    Known ones stay; new ones are added while there are fewer than `MAX_WRONG_ROOMS`.
    """
    wrong: dict[int, WrongRoom] = {}
    for room in sorted(by_room, key=lambda room: room not in known):
        found = dict(by_room[room])
        if room in due:
            was_left = room in left_of_due
            wrong[room] = _wrong_again(due[room], found, now, was_left=was_left)
        elif room in known:
            wrong[room] = msgspec.structs.replace(known[room], violations=found)
        elif len(wrong) < MAX_WRONG_ROOMS:
            wrong[room] = _newly_wrong(found, since, now)
    return wrong


def _look_at_wrong(
    due: Mapping[int, WrongRoom], deadline: Deadline, clock: Clock
) -> list[VerificationReport]:
    """Verifies rooms that became wrong together in one group, each group from its own beginning."""
    groups: defaultdict[tuple[datetime, bool], list[int]] = defaultdict(list)
    for room, one in due.items():
        groups[one.since, one.is_wrong_on_event_bus].append(room)
    # Every check reads the recent rooms' records, so the event bus is read again only for rooms
    # that were wrong on it. Shuffled, so that no group is always starved by the deadline.
    return [
        _verify(rooms, since, deadline.seconds_left, clock, with_bus=with_bus)
        for (since, with_bus), rooms in random.sample(list(groups.items()), len(groups))
    ]


def _newly_wrong(violations: dict[str, int], since: datetime, began: datetime) -> WrongRoom:
    found = WrongRoom(since, violations, began)
    return _again_after(found, FIRST_WAIT, began) if found.is_wrong_on_event_bus else found


def _wrong_again(
    known: WrongRoom, violations: dict[str, int], began: datetime, *, was_left: bool
) -> WrongRoom:
    """`was_left`: there was no time for it, so it may take long even without the event bus."""
    found = msgspec.structs.replace(known, violations=violations)
    if not was_left and not found.is_wrong_on_event_bus:
        return _again_after(found, timedelta(0), began)
    longer = max(2 * timedelta(seconds=known.wait_seconds), FIRST_WAIT)
    return _again_after(found, min(longer, LONGEST_WAIT), began)


def _again_after(room: WrongRoom, wait: timedelta, began: datetime) -> WrongRoom:
    return msgspec.structs.replace(room, again_at=began + wait, wait_seconds=wait.total_seconds())


def _verify(
    rooms: Sequence[int], since: datetime, seconds: float, clock: Clock, *, with_bus: bool
) -> VerificationReport:
    verifier = Verifier(
        settings.ENV.shards,
        event_bus() if with_bus else None,
        since=since,
        seconds=seconds,
        clock=clock,
    )
    return verifier.verify(rooms)


def wrong_rooms() -> dict[int, WrongRoom]:
    """The rooms that are checked until they are right. Raises: redis.RedisError."""
    found = cast(dict[bytes, bytes], redis_bus.blocking_client().hgetall(WRONG))
    return {int(room): msgspec.json.decode(raw, type=WrongRoom) for room, raw in found.items()}


def forget(rooms: Mapping[int, WrongRoom]) -> None:
    """Stop checking `rooms`, which a verification from their beginnings found right.

    Pass what `wrong_rooms` returned before that verification began. Raises: redis.RedisError.
    """
    if rooms:
        redis_bus.blocking_client().hdel(WRONG, *map(str, rooms))


def last_check() -> DeliveryHealth | None:
    """The result of the last check; None when there was none. Raises: redis.RedisError."""
    found = redis_bus.blocking_client().get(KEY)
    return None if found is None else msgspec.json.decode(found, type=DeliveryHealth)
