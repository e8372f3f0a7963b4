"""The endpoints for load balancers, container health checks and Prometheus."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import secrets
from collections.abc import Awaitable, Callable

import redis.asyncio as redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from chat import hub
from chat.errors import Unavailable
from chat.hub import pulse
from chat.monitoring import installation_metrics
from chat.servers import postgres, redis_bus, redis_log

# Shorter than the second or more that probes of load balancers usually wait.
CHECK_SECONDS = 1.0


@never_cache
async def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all. Checks nothing else: a restart would fix nothing."""
    return HttpResponse("ok\n", content_type="text/plain")


class Readiness:
    """Whether people can chat through this process."""

    def __init__(self, is_draining: Callable[[], bool]) -> None:
        self._is_draining = is_draining
        # Having reached them once is enough; see `answer`.
        self.has_reached_all = False

    async def answer(self, request: HttpRequest) -> JsonResponse:
        """200 when people can chat through this process; 503 names what is down, or `draining`.

        Without the database or the bus they still can, and every other process lacks it too. The
        answer is then 200 and `degraded`, so that a balancer does not cut off a working process.
        Only a process that has just started waits for everything: a deploy must not replace
        processes that hold connections with processes that nobody can connect to.
        """
        if self._is_draining():
            return JsonResponse({"status": "draining"}, status=503)
        checks = {
            "database": check_database(),
            "log": check_redis(settings.ENV.log_redis_url),
            "bus": check_redis(settings.ENV.bus_redis_url),
        }
        answers = await asyncio.gather(*(in_time(check) for check in checks.values()))
        parts = dict(zip(checks, answers, strict=True))
        complete = all(answer == "ok" for answer in answers)
        self.has_reached_all |= complete
        ready = self.has_reached_all and parts["log"] == "ok"
        status = "not ready" if not ready else "ready" if complete else "degraded"
        return JsonResponse(
            {
                "status": status,
                "parts": parts,
                "breakers": {
                    "database": postgres.BREAKER.state,
                    "log": redis_log.BREAKER.state,
                    "bus": redis_bus.BREAKER.state,
                },
            },
            status=200 if ready else 503,
        )


readyz = never_cache(Readiness(hub.draining).answer)


async def in_time(check: Awaitable[None]) -> str:
    """`ok`, or the kind of failure; error texts are left out because they may hold addresses."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check
    except Exception as error:  # Whatever the error, the part is unavailable.
        return type(error).__name__
    return "ok"


async def check_redis(url: str) -> None:
    """Raise unless the server at `url` answers."""
    client = redis.Redis.from_url(
        url, socket_timeout=CHECK_SECONDS, socket_connect_timeout=CHECK_SECONDS
    )
    async with client:
        await client.ping()


async def check_database() -> None:
    """Raise unless PostgreSQL accepts a connection."""
    if not await postgres.lets_in():
        raise Unavailable("The database does not answer.")


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics, for this machine or for the holder of METRICS_TOKEN."""
    if not may_read_metrics(request):
        return HttpResponse("not found\n", status=404, content_type="text/plain")
    pulse.refresh()
    page = generate_latest(REGISTRY) + generate_latest(installation())
    return HttpResponse(page, content_type=CONTENT_TYPE_LATEST)


@functools.cache
def installation() -> CollectorRegistry:
    """The metrics of the whole installation, as this process reads them."""
    return installation_metrics.registry()


def may_read_metrics(request: HttpRequest) -> bool:
    return may_read_metrics_from(
        request.META.get("REMOTE_ADDR", ""),
        request.headers.get("Authorization", ""),
        # Behind a proxy every peer may appear to be on loopback.
        proxied=bool(settings.ENV.trusted_proxies) or "X-Forwarded-For" in request.headers,
    )


def may_read_metrics_from(peer: str, authorization: str, *, proxied: bool) -> bool:
    """Whether address `peer` may read metrics: with METRICS_TOKEN, or if unset, from loopback."""
    token = settings.ENV.metrics_token
    if token:
        given = authorization.removeprefix("Bearer ")
        return secrets.compare_digest(given.encode(), token.encode())
    if proxied:
        return False
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
