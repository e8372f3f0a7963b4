"""Defines dead letters, and reads them even when their entry does not decode."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from chat.errors import VecheError

MAX_ERROR_CHARACTERS = 2_000
VALUES_FOLLOW = ("DETAIL:", "CONTEXT:", "LINE ")


class Reason(StrEnum):
    """Why something is a dead letter, as far as a program can tell."""

    UNREADABLE = "unreadable"  # not an entry that append.lua writes
    INVALID_DATA = "invalid_data"  # the data is not what its event type holds
    REFUSED = "refused"  # PostgreSQL refused the row
    NO_ROOM = "no_room"  # the room does not exist
    NOT_LOGGED = "not_logged"  # the entry is in the ingest stream but not in the room's log
    PLACE_TAKEN = "place_taken"  # another event has this (room, seq)
    STALE_EPOCH = "stale_epoch"  # from a log that was lost and came back
    MISSING = "missing"  # the log gave the place out and no longer has the event
    KEY_CONFLICT = "key_conflict"  # its author had used the key for something else
    TASK_FAILED = "task_failed"


# Trying again changes nothing, so these wait for a person from the start.
HOPELESS = {
    Reason.UNREADABLE: "These bytes are not an event, so there is nothing to store.",
    Reason.NO_ROOM: "Its room does not exist, so it has no place.",
    Reason.NOT_LOGGED: "The room's log never gave this place out.",
    Reason.PLACE_TAKEN: "Another event stands at its place and stays there.",
    Reason.STALE_EPOCH: "It is from a log that was lost; its place was given out again.",
    Reason.MISSING: "The log lost the event itself; only its place is known.",
    Reason.KEY_CONFLICT: "Another event of its author has its key, and keeps it.",
}


class State(StrEnum):
    """What becomes of a dead letter that nobody touches."""

    WAITING = "waiting"  # it is retried at `next_at`
    RETRYING = "retrying"  # it is claimed at this moment
    PARKED = "parked"  # it stays until a person retries or discards it


class DeadLetterOrigin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a dead letter comes from; enough to put it back."""

    shard: int | None = None
    stream_id: str | None = None
    room: int | None = None
    seq: int | None = None
    key: str | None = None
    call: str | None = None  # a wake-up's name and arguments: all its failures share a dead letter


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: its entry, which never changes, and what has been tried since.

    When the entry does not decode, `source` is empty and `problem` says why. `payload` may be cut
    off in listings; `payload_bytes` is its full size.
    """

    id: str
    source: str
    reason: str
    error: str
    failures: int  # attempts that failed before it became a dead letter
    first_at: datetime
    origin: DeadLetterOrigin
    payload: bytes
    payload_bytes: int
    state: State
    attempts: int = 0  # retries since
    last_at: datetime | None = None
    last_error: str | None = None
    next_at: datetime | None = None
    problem: str | None = None

    @property
    def hopeless(self) -> str | None:
        """Why no retry can help, if that is so."""
        return HOPELESS.get(self.reason)  # type: ignore[call-overload, no-any-return]


class RetryRecord(msgspec.Struct, frozen=True):
    """How often a dead letter was retried and how that ended: kept besides its entry."""

    state: State = State.PARKED
    attempts: int = 0
    last: bytes = b""  # "<ms since 1970> <error>"
    next_at_ms: int | None = None


def read_dead_letter(
    id: str, fields: Mapping[bytes, bytes], retries: RetryRecord, payload_bytes: int | None = None
) -> DeadLetter:
    """The dead letter in a stream entry, whatever the entry contains."""
    problem = None
    origin = DeadLetterOrigin()
    try:
        origin = msgspec.json.decode(fields[b"origin"], type=DeadLetterOrigin)
        missing = [name for name in ("source", "reason", "payload") if name.encode() not in fields]
        if missing:
            problem = f"The entry has no {' and no '.join(missing)}."
    except KeyError:
        problem = "The entry has no origin."
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        problem = f"The origin does not decode: {type(error).__name__}."
    payload = fields.get(b"payload", b"")
    last_ms, _, last_error = retries.last.partition(b" ")
    return DeadLetter(
        id=id,
        source=_text(fields, b"source"),
        reason=_text(fields, b"reason"),
        error=_text(fields, b"error"),
        failures=_number(fields.get(b"attempts", b"")),
        first_at=_first_at(id, fields),
        origin=origin,
        payload=payload,
        payload_bytes=len(payload) if payload_bytes is None else payload_bytes,
        state=retries.state,
        attempts=retries.attempts,
        last_at=_time(_number(last_ms)) if last_ms else None,
        last_error=last_error.decode(errors="replace") if last_ms else None,
        next_at=None if retries.next_at_ms is None else _time(retries.next_at_ms),
        problem=problem,
    )


def describe(error: BaseException | str) -> str:
    """The text of an error, without the values that a database puts into its DETAIL lines."""
    if isinstance(error, str | VecheError):
        return str(error)[:MAX_ERROR_CHARACTERS]
    lines = "".join(traceback.format_exception_only(error)).splitlines()
    # A value may span lines, so nothing from the first of these lines on is kept.
    first = next((i for i, line in enumerate(lines) if line.startswith(VALUES_FOLLOW)), None)
    return "\n".join(lines[:first])[:MAX_ERROR_CHARACTERS]


def pack_entry(fields: Mapping[bytes, bytes]) -> bytes:
    """The bytes of a stream entry, whatever they are, in a form that can be unpacked again."""
    return msgspec.msgpack.encode(dict(fields))


def unpack_entry(payload: bytes) -> dict[bytes, bytes]:
    """What `pack_entry` packed. Raises: msgspec.MsgspecError when the bytes are something else."""
    return msgspec.msgpack.decode(payload, type=dict[bytes, bytes])


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode(errors="replace")


def _number(raw: bytes) -> int:
    return int(raw) if raw.isdigit() and len(raw) < 16 else 0


def _time(milliseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _first_at(id: str, fields: Mapping[bytes, bytes]) -> datetime:
    try:
        return datetime.fromisoformat(fields[b"first_at"].decode()).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return _time(_number(id.partition("-")[0].encode()))
