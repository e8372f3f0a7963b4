"""Retries or discards all dead letters that match, a bounded step at a time.

A job remembers its target and its progress; it does nothing by itself. A browser that has its page
open asks for step after step. So a job can be left, resumed by somebody else, and cancelled
half-way: dead letters not reached are unchanged. A step requested twice at once is done once, and
only one of two jobs claims a dead letter that both reach (`chat.dead_letters.store.claim`).

| Key (bus) | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:letter-job:<id>` | hash | 7 d | the job's target and progress: see `Job` |
| `veche:letter-job:<id>:step` | string | 1 min | somebody takes a step at this moment |
| `veche:letter-jobs` | zset | 7 d | job → when it began (s) |

If the bus loses its data the jobs are forgotten; what they did is done, and on record.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import msgspec

from chat import dead_letters
from chat.audit.entries import Actor
from chat.dead_letters import Filter, Outcome, Result
from chat.servers import redis_bus

KEPT_SECONDS = 7 * 24 * 3600
JOBS = "veche:letter-jobs"
MAX_LISTED = 20
# A step answers before anybody grows impatient, and holds a thread of the web process no longer.
STEP_SECONDS = 2.0
STEP_LETTERS = 100
# Longer than a step can take: at worst a retry waits for PostgreSQL's time-outs.
LOCK_SECONDS = 60
JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")

RUNNING, CANCELLED, FINISHED = "running", "cancelled", "finished"
RETRY, DISCARD = "retry", "discard"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A bulk act on dead letters. `after` is the id of the last dead letter looked at."""

    id: str
    action: str
    wanted: Filter
    why: str
    by: Actor
    begun_at: datetime
    total: int  # dead letters there were when the job began, matching or not
    state: str = RUNNING
    after: str | None = None
    looked_at: int = 0
    outcomes: dict[Outcome, int] = {}

    @property
    def acted_on(self) -> int:
        return sum(self.outcomes.values())

    @property
    def percent(self) -> int:
        if self.state == FINISHED:
            return 100
        return min(99, 100 * self.looked_at // max(self.total, 1))


def begin(id: str, *, action: str, wanted: Filter, why: str, by: Actor) -> tuple[Job, bool]:
    """The job `id`, and whether this call made it: a form sent twice makes one job.

    The job does not cover dead letters that arrive later.

    Raises: ValueError for an id that is not a UUID; redis.RedisError.
    """
    if not JOB_ID.match(id):
        raise ValueError("A job's id is a UUID.")
    now = datetime.now(UTC)
    until = now if wanted.until is None else min(wanted.until, now)
    job = Job(
        id=id,
        action=action,
        wanted=msgspec.structs.replace(wanted, until=until),
        why=why,
        by=by,
        begun_at=now,
        total=dead_letters.counts().total,
    )
    client = redis_bus.blocking_client()
    made = bool(client.hsetnx(_key(id), "meant", msgspec.json.encode(job)))
    client.hsetnx(_key(id), "state", RUNNING)
    client.expire(_key(id), KEPT_SECONDS)
    client.zadd(JOBS, {id: now.timestamp()}, nx=True)
    client.expire(JOBS, KEPT_SECONDS)
    found = get(id)
    assert found is not None
    return found, made


def get(id: str) -> Job | None:
    """The job as it stands; None when there is none. Raises: redis.RedisError."""
    if not JOB_ID.match(id):
        return None
    fields = cast(dict[bytes, bytes], redis_bus.blocking_client().hgetall(_key(id)))
    if b"meant" not in fields:
        return None
    outcomes = {
        Outcome(name.decode().removeprefix("outcome:")): int(value)
        for name, value in fields.items()
        if name.startswith(b"outcome:")
    }
    return msgspec.structs.replace(
        msgspec.json.decode(fields[b"meant"], type=Job),
        state=fields.get(b"state", RUNNING.encode()).decode(),
        after=fields[b"after"].decode() if b"after" in fields else None,
        looked_at=int(fields.get(b"looked_at", b"0")),
        outcomes=outcomes,
    )


def latest() -> list[Job]:
    """The last jobs, newest first. Raises: redis.RedisError."""
    ids = cast(list[bytes], redis_bus.blocking_client().zrange(JOBS, 0, MAX_LISTED - 1, desc=True))
    found = (get(one.decode()) for one in ids)
    return [job for job in found if job is not None]


def cancel(id: str) -> Job | None:
    """Stops a job where it is; does nothing to one that has ended. Raises: redis.RedisError."""
    job = get(id)
    if job is None or job.state != RUNNING:
        return job
    redis_bus.blocking_client().hset(_key(id), "state", CANCELLED)
    return get(id)


def step(id: str) -> Job | None:
    """Continues a job for at most `STEP_SECONDS`, unless somebody else does at this moment.

    Raises: redis.RedisError when the log or the bus is down. The next step begins where this one
    broke off, or a few dead letters earlier; those are then gone, or answer that they are held.
    """
    client = redis_bus.blocking_client()
    lock = f"{_key(id)}:step"
    if get(id) is None or not client.set(lock, 1, nx=True, ex=LOCK_SECONDS):
        return get(id)
    try:
        job = get(id)
        if job is not None and job.state == RUNNING:
            _advance(job)
    finally:
        client.delete(lock)
    return get(id)


def _advance(job: Job) -> None:
    client = redis_bus.blocking_client()
    deadline = time.monotonic() + STEP_SECONDS
    page = dead_letters.page(job.wanted, limit=STEP_LETTERS, after=job.after, value_bytes=256)
    outcomes: Counter[Outcome] = Counter()
    after, reached = job.after, 0
    for result in _act(job, iter([letter.id for letter in page.letters])):
        outcomes[result.outcome] += 1
        after, reached = result.id, reached + 1
        if time.monotonic() > deadline:
            break
    whole = reached == len(page.letters)
    if whole:
        after = page.next or after
    pipeline = client.pipeline(transaction=True)
    if after is not None:
        pipeline.hset(_key(job.id), "after", after)
    # Counts a partly read page too; the exact number does not matter in the end.
    pipeline.hincrby(_key(job.id), "looked_at", page.looked_at if whole else reached)
    for outcome, count in outcomes.items():
        pipeline.hincrby(_key(job.id), f"outcome:{outcome}", count)
    pipeline.execute()
    if whole and page.next is None and client.hget(_key(job.id), "state") == RUNNING.encode():
        client.hset(_key(job.id), "state", FINISHED)


def _act(job: Job, ids: Iterator[str]) -> Iterator[Result]:
    if job.action == DISCARD:
        return dead_letters.discard(ids, why=job.why, by=job.by, batch=job.id)
    return dead_letters.retry(ids, by=job.by, why=job.why, batch=job.id)


def _key(id: str) -> str:
    return f"veche:letter-job:{id}"
