"""Reports errors to SENTRY_DSN, without anything that people wrote or that identifies them.

A report contains only which error, where in the code, in which route or task, and our own ids. It
contains no texts of errors or log lines, no bodies, headers, cookies, addresses, local variables.
"""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings

from chatsite.version import VERSION

# The top-level keys that an event may keep; everything else is dropped.
KEPT = {
    "event_id", "timestamp", "platform", "level", "logger", "release", "environment", "sdk",
    "exception", "transaction", "tags", "fingerprint", "server_name", "contexts", "request",
}  # fmt: skip
KEPT_FRAME = {"filename", "abs_path", "function", "module", "lineno", "in_app", "context_line",
              "pre_context", "post_context"}  # fmt: skip
KEPT_CONTEXTS = {"runtime", "trace"}
ROUTE = re.compile(r"[\w/<>:.^$()?+*\\\[\]-]{0,200}")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

Event = dict[str, Any]


def start(role: str) -> None:
    """Reports the errors of this process from now on; does nothing without SENTRY_DSN."""
    env = settings.ENV
    if not env.sentry_dsn:
        return
    # Imported only if it is used.
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.integrations.django import DjangoIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=env.sentry_dsn,
        release=f"veche@{VERSION}",
        server_name=role,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=None,
        auto_session_tracking=False,
        before_send=lambda event, hint: scrubbed(dict(event)),  # type: ignore[arg-type,return-value]
        before_breadcrumb=lambda crumb, hint: None,
        default_integrations=False,
        integrations=[
            DjangoIntegration(transaction_style="url", middleware_spans=False),
            CeleryIntegration(propagate_traces=False),
            LoggingIntegration(level=None),
        ],
    )


def scrubbed(event: Event) -> Event:
    """The part of a report that may leave. Built from an allow-list: unforeseen data stays here."""
    kept = {name: value for name, value in event.items() if name in KEPT}
    if "exception" in kept:
        values = kept["exception"].get("values") or []
        kept["exception"] = {"values": [_error(value) for value in values]}
    kept["request"] = {
        name: value
        for name, value in (event.get("request") or {}).items()
        if name == "method" and value in METHODS
    }
    transaction = kept.get("transaction")
    if transaction is not None and not ROUTE.fullmatch(str(transaction)):
        del kept["transaction"]
    contexts = event.get("contexts") or {}
    kept["contexts"] = {name: contexts[name] for name in KEPT_CONTEXTS & contexts.keys()}
    return kept


def _error(value: Event) -> Event:
    frames = (value.get("stacktrace") or {}).get("frames") or []
    return {
        "type": value.get("type"),
        "module": value.get("module"),
        "mechanism": {
            name: one
            for name, one in (value.get("mechanism") or {}).items()
            if name in {"type", "handled"}
        },
        "stacktrace": {
            "frames": [
                {name: one for name, one in frame.items() if name in KEPT_FRAME} for frame in frames
            ]
        },
    }
