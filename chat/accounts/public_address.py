"""The address that people open: links in mails begin with it.

It cannot be taken from a request's `Host`. The client writes that header, and health checks and
people on this machine may use names (`localhost:31337`) at which somebody else could be listening.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def origin_of(request: HttpRequest | None) -> str:
    """The one of ALLOWED_ORIGINS that a request came by; the first of them if it came by none."""
    origins: tuple[str, ...] = settings.ENV.allowed_origins
    if request is not None:
        asked = f"{request.scheme}://{request.get_host()}"
        if asked in origins:
            return asked
    return origins[0]
