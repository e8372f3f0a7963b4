"""The address that people open: what links in mails begin with.

A request's `Host` is no basis for it. Whoever asks writes it, and health checks and people on this
machine may ask by names (`localhost:31337`) at which somebody else could be listening.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def origin_of(request: HttpRequest | None) -> str:
    """The one of ALLOWED_ORIGINS by which a request came; the first where it is none of them."""
    origins: tuple[str, ...] = settings.ENV.allowed_origins
    if request is not None:
        asked = f"{request.scheme}://{request.get_host()}"
        if asked in origins:
            return asked
    return origins[0]
