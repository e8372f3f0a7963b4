"""How the API answers HEAD (like GET), and methods that an address lacks (with a problem)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import async_only_middleware

from chat.api.answers import problem
from chat.middleware.asgi import API_PREFIX


@async_only_middleware
def http_methods(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    async def middleware(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(API_PREFIX):
            return await get_response(request)
        if request.method == "HEAD":
            # The same headers as for GET (RFC 9110, 9.3.2). The server sends no body: it knows the
            # method from the request line.
            request.method = "GET"
        response = await get_response(request)
        if response.status_code != 405:
            return response
        allowed = {one.strip() for one in response.headers["Allow"].split(",")}
        refused = problem(405, "bad_request", "This address does not support that method.")
        refused["Allow"] = ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))
        return refused

    return middleware
