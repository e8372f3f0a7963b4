"""Lets health checks and Prometheus reach this process by its own address, whatever that is.

Prometheus finds the web processes by DNS and uses the address of each as `Host`. Addresses change
with every container and so are in no list of hosts. The views for these requests build no link and
set no cookie, so the `Host` does not matter; all other paths keep Django's check.
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
    """The middleware; it must come before all others that look at the host."""
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
    # Without a token, metrics are for this machine only, and the check of the host keeps a page in
    # its browser from reading them under a name of the page's own (DNS rebinding).
    if request.path in HEALTH or (request.path == METRICS and settings.ENV.metrics_token):
        request.META["HTTP_HOST"] = HOST
