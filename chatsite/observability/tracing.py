"""Sends traces to an OpenTelemetry collector, if OTEL_EXPORTER_OTLP_ENDPOINT names one.

At most 2,048 spans wait in memory; spans that an unreachable collector does not take are lost, and
nobody waits for them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from chat.tracing import tracing
from chat.tracing.trace_ids import ChosenIds
from chatsite.version import VERSION

EXPORT_SECONDS = 5

_provider: Any = None


def start(role: str) -> None:
    """Starts tracing in this process, after any fork. `role`: web, worker …"""
    env = settings.ENV
    if not env.otel_exporter_otlp_endpoint:
        return
    # Imported only if tracing is on: these are large.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    address = f"{env.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=address, timeout=EXPORT_SECONDS)
    start_with(BatchSpanProcessor(exporter), role, env.traces_sample_ratio)


def start_with(processor: Any, role: str, ratio: float) -> None:
    """Starts tracing into an OpenTelemetry span processor."""
    global _provider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    _provider = TracerProvider(
        # `chat.tracing.tracing` decides which messages are traced.
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": f"veche-{role}", "service.version": VERSION}),
        id_generator=ChosenIds(),  # type: ignore[arg-type]
        span_limits=SpanLimits(max_span_attributes=16, max_events=0, max_links=0),
    )
    _provider.add_span_processor(processor)
    tracing.start(_provider.get_tracer("veche"), ratio)


def stop() -> None:
    """Sends the spans that wait, and ends tracing."""
    global _provider
    tracing.stop()
    if _provider is not None:
        _provider.shutdown()
        _provider = None
