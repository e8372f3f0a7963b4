"""What a client may send: the checks that need nothing but the text itself.

Everything that PostgreSQL would refuse is refused here, before the append, because what is
acknowledged must also be storable.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import msgspec

from chat.broken_rules import Rule
from chat.errors import ClientError
from chat.events.emoji import canonical
from chat.names.characters import has_no_meaning, is_visible
from chat.protocol import text_forms
from chat.protocol.frames import (
    MAX_BODY_CHARACTERS,
    MAX_EMOJI_CHARACTERS,
    MAX_FRAME_BYTES,
    AnyClientFrame,
    ErrorCode,
    Hello,
)
from chat.protocol.strict_json import (
    NotStrict,
    is_storable,
    no_constant,
    unique,
    unique_and_storable,
)

# The log remembers keys for 6 h; one hour is left for clock differences and slow requests.
LOG_REMEMBERS_KEYS_FOR = timedelta(hours=5)
CLIENT_CLOCK_MAY_LEAD_BY = timedelta(minutes=5)
MAX_REQUEST_ID = 64
# Error messages quote names that the client chose.
MAX_ERROR_CHARACTERS = 200

UUID7 = re.compile(text_forms.UUID7)
ROOM_KEY = re.compile(text_forms.ROOM_NUMBER)

_decoder: msgspec.json.Decoder[AnyClientFrame] = msgspec.json.Decoder(AnyClientFrame)
_CLIENT_TAGS = frozenset(frame.__struct_config__.tag for frame in AnyClientFrame.__args__)


class RefusedFrame(Exception):
    """A client frame that the protocol does not allow; answered by an `error` frame.

    `id` is the frame's own id where one could be read.
    """

    def __init__(self, code: ErrorCode, message: str, id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.id = id


class KeyAge(Enum):
    """Who can tell whether an idempotency key was used before."""

    FRESH = "fresh"  # the log alone decides
    OLD = "old"  # the log may have forgotten it: ask PostgreSQL before the append


def parse_frame(data: str | bytes) -> AnyClientFrame:
    """The frame in one WebSocket message.

    Raises: RefusedFrame with `too_large`, `unknown_type` or `bad_request`.
    """
    if isinstance(data, bytes):
        raise RefusedFrame(ErrorCode.BAD_REQUEST, "Frames are JSON text; this one is binary.")
    if _is_too_large(data):
        raise RefusedFrame(
            ErrorCode.TOO_LARGE,
            f"A frame may have {MAX_FRAME_BYTES:,} bytes at most.",
            _id_of(_readable_fields(data)),
        )
    try:
        frame = _decoder.decode(data)
        # msgspec uses the last of two equal names. Another reader may use the first, so such a
        # frame is refused. Escapes are rare; only they can carry NUL or half a surrogate pair.
        (_escapes_scan if "\\u" in data else _names_scan)(data, _start(data))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _refusal(data, error) from None
    if isinstance(frame, Hello):
        for room in frame.rooms:
            if not ROOM_KEY.fullmatch(room):
                raise RefusedFrame(ErrorCode.BAD_REQUEST, "A room in `rooms` is not a room id.")
    return frame


def _is_too_large(text: str) -> bool:
    # No character takes more than 4 bytes, so most frames need not be encoded to be measured.
    if len(text) * 4 <= MAX_FRAME_BYTES:
        return False
    return len(text) > MAX_FRAME_BYTES or len(text.encode(errors="replace")) > MAX_FRAME_BYTES


def _start(text: str) -> int:
    """Where the JSON begins, for `raw_decode`, which does not accept leading white space."""
    return len(text) - len(text.lstrip(" \t\r\n"))


_names_scan = json.JSONDecoder(object_pairs_hook=unique, parse_constant=no_constant).raw_decode
_escapes_scan = json.JSONDecoder(
    object_pairs_hook=unique_and_storable, parse_constant=no_constant
).raw_decode
# Reads what it can of a refused frame; numbers are not converted, however long they are.
_lenient_scan = json.JSONDecoder(parse_int=len).raw_decode


def _refusal(text: str, error: Exception) -> RefusedFrame:
    """Why `text` is refused, with its id and type where they can be read."""
    fields = _readable_fields(text)
    name = _id_of(fields)
    kind = fields.get("t")
    if isinstance(kind, str) and kind not in _CLIENT_TAGS:
        return RefusedFrame(ErrorCode.UNKNOWN_TYPE, "This frame type is not known.", name)
    if isinstance(error, RecursionError):
        reason = "The frame is nested too deep."
    elif isinstance(error, msgspec.MsgspecError | NotStrict):
        reason = printable(str(error))
    else:
        reason = "The frame is not JSON."
    return RefusedFrame(ErrorCode.BAD_REQUEST, reason, name)


def _readable_fields(text: str) -> dict[str, Any]:
    """The readable fields of a refused frame."""
    try:
        value, _ = _lenient_scan(text, _start(text))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _id_of(fields: dict[str, Any]) -> str | None:
    name = fields.get("id")
    if isinstance(name, str) and 1 <= len(name) <= MAX_REQUEST_ID and is_storable(name):
        return name
    return None


def printable(text: str) -> str:
    """A quotation of what a client sent, safe in one line of an answer or a log."""
    short = text[:MAX_ERROR_CHARACTERS]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short)


def check_body(text: str) -> None:
    """Let a message body pass: 1 to 8,000 characters (code points), at least one of them visible.

    Raises: ClientError `empty`, `too_large` or `bad_request`.
    """
    if len(text) > MAX_BODY_CHARACTERS:
        raise ClientError(
            ErrorCode.TOO_LARGE, f"A message may have {MAX_BODY_CHARACTERS:,} characters at most."
        )
    if not is_storable(text):
        raise ClientError(ErrorCode.BAD_REQUEST, "The message holds NUL or half a surrogate pair.")
    if not any(map(is_visible, text)):
        raise ClientError(
            ErrorCode.EMPTY,
            "The message has nothing to read.",
            rule=Rule.KNOWN_CHARACTERS if any(map(has_no_meaning, text)) else None,
        )


def check_emoji(text: str) -> str:
    """The reaction in its canonical form: one emoji from Unicode's list.

    Raises: ClientError `bad_request`.
    """
    form = canonical(text) if 1 <= len(text) <= MAX_EMOJI_CHARACTERS else None
    if form is None:
        raise ClientError(ErrorCode.BAD_REQUEST, "A reaction is one emoji.", rule=Rule.ONE_EMOJI)
    return form


def check_reaction(text: str) -> str:
    """The reaction in its canonical form; unchanged if it may not be put on a message now.

    Older versions accepted some of those, so people may ask who gave one and remove their own.
    Raises: ClientError `bad_request` for text that no version accepted.
    """
    if not (1 <= len(text) <= MAX_EMOJI_CHARACTERS and is_storable(text)):
        raise ClientError(ErrorCode.BAD_REQUEST, "A reaction is one emoji.")
    return canonical(text) or text


def check_key(key: str, now: datetime) -> KeyAge:
    """Who decides whether an idempotency key is new; `now` is the server's time, timezone-aware.

    Raises: ClientError `bad_request` when the key is not a UUIDv7 in canonical form (another
    spelling of the same UUID would be another key to the log but the same one to PostgreSQL), or
    when its time is more than 5 min in the future; the message then names the server's time.
    """
    if not UUID7.fullmatch(key):
        raise ClientError(ErrorCode.BAD_REQUEST, "The key is not a UUIDv7 in lower case.")
    age_seconds = now.timestamp() - int(key[:8] + key[9:13], 16) / 1000
    if age_seconds < -CLIENT_CLOCK_MAY_LEAD_BY.total_seconds():
        raise ClientError(
            ErrorCode.BAD_REQUEST,
            f"The key was made in the future: the server's time is {now.isoformat()}.",
            rule=Rule.KEY_NOT_OF_THE_FUTURE,
        )
    if age_seconds > LOG_REMEMBERS_KEYS_FOR.total_seconds():
        return KeyAge.OLD
    return KeyAge.FRESH
