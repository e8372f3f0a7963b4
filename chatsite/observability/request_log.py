"""Gives each request an id, in its log lines and in its response, and logs a line when it ends.

The `X-Request-ID` of a proxy or a program is kept if it looks like an id, so that one id can be
followed through everybody's logs; anything else is replaced.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

import structlog
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from chat.tracing.request_ids import HEADER, request_id
from chatsite.observability.logs import known_user_id, route_of

logger = logging.getLogger("veche.requests")

# Requested every few seconds, and of no interest as long as they succeed.
QUIET = {"healthz", "readyz", "metrics"}

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def request_log(get_response: GetResponse) -> GetResponse:
    """The middleware, to be the first one."""
    if iscoroutinefunction(get_response):

        async def handle_async(request: HttpRequest) -> HttpResponseBase:
            own_id = request_id(request.headers.get(HEADER))
            began = time.monotonic()
            with structlog.contextvars.bound_contextvars(request_id=own_id):
                answer: HttpResponseBase = await get_response(request)
                _say(request, answer, began)
            answer.headers[HEADER] = own_id
            return answer

        return handle_async

    def handle(request: HttpRequest) -> HttpResponseBase:
        own_id = request_id(request.headers.get(HEADER))
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=own_id):
            answer = get_response(request)
            assert isinstance(answer, HttpResponseBase)
            _say(request, answer, began)
        answer.headers[HEADER] = own_id
        return answer

    return handle


def _say(request: HttpRequest, answer: HttpResponseBase, began: float) -> None:
    route = route_of(request)
    status = answer.status_code
    # Without a route it was a static file, or nothing of ours.
    if status < 400 and (route == "-" or route.strip("/") in QUIET):
        return
    logger.log(
        logging.WARNING if status >= 500 else logging.INFO,
        "request",
        extra={
            "method": request.method,
            "route": route,
            "status": status,
            "ms": round((time.monotonic() - began) * 1000, 1),
            "user_id": known_user_id(request),
        },
    )
