"""Lets health checks and Prometheus ask this process by its own address, whatever that is.

Prometheus finds the web processes by DNS and names each by its address, which changes with every
container and so is in no list of hosts. What answers them builds no link and sets no cookie, so
their `Host` does not matter; all other paths keep Django's check.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

HEALTH = frozenset({"/healthz", "/readyz"})
METRICS = "/metrics"
# Always among ALLOWED_HOSTS.
HOST = "localhost"

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def asked_by_address(get_response: GetResponse) -> GetResponse:
    """The middleware, to come before all that look at the host."""
    if iscoroutinefunction(get_response):

        async def handle_async(request: HttpRequest) -> HttpResponseBase:
            _accept_host(request)
            answer: HttpResponseBase = await get_response(request)
            return answer

        return handle_async

    def handle(request: HttpRequest) -> HttpResponseBase:
        _accept_host(request)
        answer = get_response(request)
        assert isinstance(answer, HttpResponseBase)
        return answer

    return handle


def _accept_host(request: HttpRequest) -> None:
    # Without a token, metrics are for this machine, and the check of the host is what keeps a page
    # in its browser from reading them under a name of its own (DNS rebinding).
    if request.path in HEALTH or (request.path == METRICS and settings.ENV.metrics_token):
        request.META["HTTP_HOST"] = HOST
