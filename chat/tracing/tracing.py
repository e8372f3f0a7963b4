"""One trace for each message that is traced: frame → append → persist → export → analytics.

No trace context is passed along. A message always has an author and a key, the ids of its trace are
derived from these two, and whether it is traced follows from the trace id. So every process finds
the same trace by itself, with no field in any queue or table, even when the export comes a day
later. No client can choose the ids, or whether its message is traced. Only the envelope on the
event bus carries the context, as CloudEvents' `traceparent`, because outside readers do not know
the rule.

    frame (web) ─▶ append (web; its span id follows from author and key) ─▶ persist (worker)
                                                                         ├▶ export (worker)
                                                                         └▶ roll up (analytics)

Without OTEL_EXPORTER_OTLP_ENDPOINT every function here is one comparison. Spans carry the places of
events, never what people wrote, and no error texts.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from chat.events import RoomEvent
from chat.tracing.trace_ids import chosen_ids

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

# https://www.w3.org/TR/trace-context/, version 00, traced.
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")

_tracer: Tracer | None = None
_bound = 0  # traces with lower 64 bits below this are kept
_NOTHING: AbstractContextManager[None] = contextlib.nullcontext()


def start(tracer: Tracer, ratio: float) -> None:
    """Trace `ratio` of all messages from now on. The tracer's ids come from
    `chat.tracing.trace_ids`."""
    global _tracer, _bound
    _tracer, _bound = tracer, round(ratio * 2**64)


def stop() -> None:
    global _tracer
    _tracer = None


def ids_of(actor: int | None, key: str | None) -> tuple[int, int] | None:
    """The request's trace id and the span id of its append; None when it is not traced."""
    if _tracer is None or actor is None or key is None:
        return None
    digest = hashlib.blake2b(f"{actor} {key}".encode(), digest_size=24).digest()
    trace_id = int.from_bytes(digest[:16], "big")
    if trace_id & (2**64 - 1) >= _bound:
        return None
    return trace_id, int.from_bytes(digest[16:], "big")


def traceparent(event: RoomEvent) -> str | None:
    """W3C trace context of an event, for readers of the event bus."""
    ids = ids_of(event.actor, event.key)
    return None if ids is None else f"00-{ids[0]:032x}-{ids[1]:016x}-01"


# Web


def frame(type: str, actor: int, room: int, key: str) -> AbstractContextManager[None]:
    """Span around the handling of a frame that appends."""
    if _tracer is None:
        return _NOTHING
    ids = ids_of(actor, key)
    if ids is None:
        return _NOTHING
    with chosen_ids(trace_id=ids[0]):
        # No parent: the span of an HTTP request or of another library has another trace id.
        span = _tracer.start_span(
            f"frame {type}", trace.set_span_in_context(trace.INVALID_SPAN), SpanKind.SERVER
        )
    span.set_attribute("veche.room", room)
    return _current(span)


def append(actor: int | None, room: int, key: str | None) -> AbstractContextManager[None]:
    """Span around an append, until the event has its place and is on disk."""
    if _tracer is None:
        return _NOTHING
    ids = ids_of(actor, key)
    if ids is None:
        return _NOTHING
    parent = trace.get_current_span()
    if parent.get_span_context().trace_id != ids[0]:  # REST, or Veche itself
        parent = trace.INVALID_SPAN
    with chosen_ids(*ids):
        span = _tracer.start_span("append", trace.set_span_in_context(parent), SpanKind.PRODUCER)
    span.set_attribute("veche.room", room)
    return _current(span)


@contextlib.contextmanager
def _current(span: Span) -> Iterator[None]:
    with trace.use_span(span, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            # Only the type: the error's text may quote what was refused.
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            span.end()


# Workers and readers of the event bus


def persisted(events: Iterable[RoomEvent], began_ns: int) -> None:
    """These events were stored in a transaction that began at `began_ns` (`time.time_ns`)."""
    _stage("persist", events, began_ns)


def exported(events: Iterable[RoomEvent], began_ns: int) -> None:
    """The event bus has acknowledged these events; the first was sent at `began_ns`."""
    _stage("export", events, began_ns)


def rolled_up(traceparents: Iterable[str | None], began_ns: int) -> None:
    """A reader of the event bus has processed records with these `traceparent`s.

    None and invalid values are skipped.
    """
    if _tracer is None:
        return
    for text in traceparents:
        found = TRACEPARENT.fullmatch(text or "")
        if found is not None:
            _child("roll up", int(found[1], 16), int(found[2], 16), began_ns, {})


def _stage(name: str, events: Iterable[RoomEvent], began_ns: int) -> None:
    if _tracer is None:
        return
    for event in events:
        ids = ids_of(event.actor, event.key)
        if ids is not None:
            place = {"veche.room": event.room, "veche.seq": event.seq, "veche.epoch": event.epoch}
            _child(name, *ids, began_ns, place)


def _child(
    name: str, trace_id: int, parent_id: int, began_ns: int, attributes: dict[str, int]
) -> None:
    """Record a span that has just ended, as a child of the append's span."""
    if _tracer is None or trace_id == 0 or parent_id == 0:
        return
    parent = SpanContext(trace_id, parent_id, is_remote=True, trace_flags=TraceFlags(1))
    context = trace.set_span_in_context(NonRecordingSpan(parent))
    span = _tracer.start_span(
        name, context, SpanKind.CONSUMER, attributes=attributes, start_time=began_ns
    )
    span.end(time.time_ns())
