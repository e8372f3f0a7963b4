"""The id of a request or connection, carried by its log lines and its answer."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

HEADER = "X-Request-ID"
ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def request_id(given: str | None) -> str:
    """`given` if it looks like an id, else a new one: clients must not put words into log lines."""
    return given if given and ID.fullmatch(given) else uuid.uuid4().hex


def id_of_headers(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id of a WebSocket handshake."""
    given = [value.decode("latin-1") for name, value in headers if name == HEADER.lower().encode()]
    return request_id(given[0] if len(given) == 1 else None)
