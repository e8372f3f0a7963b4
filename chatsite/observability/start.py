"""What makes every process observable: versions, metrics, traces, errors, clocks."""

from __future__ import annotations

from chat.hub import pulse
from chat.servers import clocks
from chatsite.observability import metrics_port, sentry, tracing
from chatsite.version import VERSION


def begin(role: str, *, serve_metrics: bool = True) -> None:
    """Call once in each process, after any fork. `serve_metrics`: on METRICS_PORT.

    `role` is what the process does: web, worker, beat, probe, analytics.
    """
    pulse.say_what_runs(VERSION)
    sentry.start(role)
    tracing.start(role)
    clocks.follow()
    if serve_metrics:
        metrics_port.serve_metrics()


def end() -> None:
    """Sends whatever is still waiting to be sent."""
    tracing.stop()
