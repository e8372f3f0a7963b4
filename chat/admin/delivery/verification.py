"""Verifies one room for somebody who waits for the answer, without disturbing anything else.

`manage.py verify_delivery` runs in a process of its own: it takes no time from the sockets of the
web process and no slot in the worker, whose drains one may want to verify. However long the room
is, a check that takes too long can be ended.

| Key (bus) | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:verification:<room>` | string | 1 h | the last `Verification` of the room as JSON |
| `veche:verification:running` | string | time limit | one at a time in the installation |
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from chat.servers import redis_bus
from chat.verify import VerificationReport

logger = logging.getLogger(__name__)

# About two million events of one room (bench/verify_delivery.py).
LIMIT_SECONDS = 120.0
KEPT_SECONDS = 3600
# Nobody reads more on a page, and the command line shows them all.
MAX_SHOWN = 50
PROJECT = Path(__file__).resolve().parents[3]
RUNNING_KEY = "veche:verification:running"

RUNNING, CLEAN, DIFFERENT, AWAY, TOO_LONG, FAILED = (
    "running", "clean", "different", "away", "too_long", "failed",
)  # fmt: skip


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """A check of one room: its state, and its report when there is one."""

    room: int
    by: str
    begun_at: datetime
    state: str = RUNNING
    ended_at: datetime | None = None
    report: VerificationReport | None = None


def begin(room: int, by: str) -> bool:
    """Starts a check of the room; False while another one runs. Raises: redis.RedisError."""
    client = redis_bus.blocking_client()
    if not client.set(RUNNING_KEY, room, nx=True, ex=int(LIMIT_SECONDS) + 10):
        return False
    begun = Verification(room=room, by=by, begun_at=datetime.now(UTC))
    try:
        _save(begun, client)
    except RedisError:
        client.delete(RUNNING_KEY)
        raise
    threading.Thread(target=_run, args=(begun,), name="verification", daemon=True).start()
    return True


def last(room: int) -> Verification | None:
    """The running check of the room, or the last one. Raises: redis.RedisError."""
    raw = cast(bytes | None, redis_bus.blocking_client().get(_key(room)))
    if raw is None:
        return None
    found = msgspec.json.decode(raw, type=Verification)
    waited = (datetime.now(UTC) - found.begun_at).total_seconds()
    if found.state == RUNNING and waited > LIMIT_SECONDS + 10:
        # The process that ran it is gone.
        return msgspec.structs.replace(found, state=FAILED)
    return found


def _run(begun: Verification) -> None:
    try:
        ended = _verify(begun)
    except Exception:
        # Whatever went wrong, somebody waits for the check to end.
        logger.exception("the verification of room %d did not end", begun.room)
        ended = msgspec.structs.replace(begun, state=FAILED, ended_at=datetime.now(UTC))
    try:
        # At once: whoever sees the answer may begin the next check.
        with redis_bus.blocking_client().pipeline() as pipeline:
            _save(ended, pipeline)
            pipeline.delete(RUNNING_KEY)
            pipeline.execute()
    except RedisError as error:
        logger.warning("a verification's answer is lost: %s", type(error).__name__)


def _verify(begun: Verification) -> Verification:
    command = [sys.executable, "-m", "django", "verify_delivery", "--json", "--room"]
    try:
        done = subprocess.run(
            [*command, str(begun.room)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=PROJECT,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:  # it was killed
        return _ended(begun, TOO_LONG)
    if done.returncode == 2:
        return _ended(begun, AWAY)
    if done.returncode not in (0, 1):
        logger.error("verify_delivery ended with %d", done.returncode)
        return _ended(begun, FAILED)
    report = msgspec.json.decode(done.stdout, type=VerificationReport)
    hidden = len(report.findings) - MAX_SHOWN
    if hidden > 0:
        report.findings = report.findings[:MAX_SHOWN]
        report.findings_not_listed += hidden
    return _ended(begun, DIFFERENT if report.violations else CLEAN, report=report)


def _ended(begun: Verification, state: str, **more: Any) -> Verification:
    return msgspec.structs.replace(begun, state=state, ended_at=datetime.now(UTC), **more)


def _save(verification: Verification, client: Redis) -> None:
    client.set(_key(verification.room), msgspec.json.encode(verification), ex=KEPT_SECONDS)


def _key(room: int) -> str:
    return f"veche:verification:{room}"
