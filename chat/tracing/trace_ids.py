"""Ids of traces and spans: chosen ones where a trace must be found again, otherwise random."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from contextvars import ContextVar

_chosen: ContextVar[tuple[int | None, int | None]] = ContextVar("chosen ids", default=(None, None))


@contextlib.contextmanager
def chosen_ids(trace_id: int | None = None, span_id: int | None = None) -> Iterator[None]:
    """A span started inside gets these ids, unless it inherits its trace."""
    token = _chosen.set((trace_id, span_id))
    try:
        yield
    finally:
        _chosen.reset(token)


class ChosenIds:
    """OpenTelemetry's IdGenerator."""

    def generate_trace_id(self) -> int:
        return _chosen.get()[0] or random.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        return _chosen.get()[1] or random.getrandbits(64) or 1

    def is_trace_id_random(self) -> bool:
        return False
