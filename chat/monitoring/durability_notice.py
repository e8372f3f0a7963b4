"""Says on every page that this installation may lose acknowledged messages (invariant I1)."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def weak_log(request: HttpRequest) -> dict[str, bool]:
    """Template context: whether the log server is allowed to be weak."""
    return {"weak_log": settings.ENV.allow_weak_log}
