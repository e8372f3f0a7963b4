"""The delivery page: how far everything is, what has stopped, and whether a room is complete.

The page updates itself: it asks for its figures (`figures`) every few seconds while somebody looks
at it. A group of figures that is unavailable says so; the others are still shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from chat.admin.delivery import drain_rates, room_watermarks, verification
from chat.admin.kit.guards import page, person, post_only, reason_of, render, render_part
from chat.admin.kit.records import acting, note
from chat.admin.kit.room_lookup import find_room
from chat.audit.permissions import Act
from chat.event_bus import event_bus
from chat.hub import announcing
from chat.models import AuditEntry, Room, ShardCursor
from chat.monitoring import delivery_health, event_bus_state
from chat.monitoring.shard_states import ShardState, shard_states
from chat.room_log import cursors

T = TypeVar("T")


@page("chat.view_delivery")
def delivery(request: HttpRequest) -> HttpResponse:
    room = find_room(request.GET.get("room", ""))
    asked = request.GET.get("room", "").strip()
    return render(
        request,
        "delivery",
        _("Delivery"),
        {
            **_figures(room),
            "asked": asked,
            "room": room,
            "unknown_room": bool(asked) and room is None,
            "verification": None if room is None else or_none(lambda: verification.last(room.pk)),
            "may_verify": request.user.has_perm("chat.run_verification"),
            "may_resume": request.user.has_perm("chat.retry_dead_letters"),
            "limit_seconds": int(verification.LIMIT_SECONDS),
        },
    )


@page("chat.view_delivery")
def figures(request: HttpRequest) -> HttpResponse:
    """The part of the page that updates."""
    room = find_room(request.GET.get("room", ""))
    may_resume = request.user.has_perm("chat.retry_dead_letters")
    return render_part(request, "delivery_figures", {**_figures(room), "may_resume": may_resume})


@post_only("chat.run_verification")
def verify(request: HttpRequest) -> HttpResponse:
    """Starts the check of one room; the page then waits for its answer."""
    room = find_room(request.POST.get("room", ""))
    if room is None:
        raise BadRequest("There is no such room.")
    try:
        begun = verification.begin(room.pk, person(request).username)
    except RedisError:
        messages.error(request, _("The bus is unreachable: no check can be started."))
    else:
        if begun:
            note(request, Act.ROOM_VERIFY, AuditEntry.TargetKind.ROOM, str(room.pk), room=room)
        else:
            messages.info(request, _("Another check is running. Only one can run at a time."))
    return redirect(f"{request.path.removesuffix('verify/')}?room={room.pk}#verification")


@page("chat.view_delivery")
def verification_state(request: HttpRequest, room: int) -> HttpResponse:
    """The progress of a room's check; the page asks for it until the check has ended."""
    found = or_none(lambda: verification.last(room))
    return render_part(
        request,
        "verification",
        {"verification": found, "limit_seconds": int(verification.LIMIT_SECONDS)},
    )


@post_only("chat.retry_dead_letters")
def resume(request: HttpRequest) -> HttpResponse:
    """Lets a stopped shard go on, once the cause is fixed."""
    kind, shard = request.POST.get("kind", ""), request.POST.get("shard", "")
    why, problem = reason_of(request)
    known = kind in ShardCursor.Kind.values and shard.isascii() and shard.isdecimal()
    if not known or len(shard) > 4 or int(shard) >= settings.ENV.shards:
        raise BadRequest("There is no such shard.")
    if problem is not None:
        messages.error(request, problem)
        return redirect("admin:delivery")
    cursor = ShardCursor.objects.filter(shard=int(shard), kind=kind).first()
    if cursor is None or cursor.stopped_at is None:
        messages.info(request, _("The shard is already running."))
        return redirect("admin:delivery")
    with acting(
        request,
        Act.SHARD_RESUME,
        AuditEntry.TargetKind.SHARD,
        f"{shard}:{kind}",
        reason=why,
        before={"stopped_at": cursor.stopped_at.isoformat()},
    ):
        cursors.resume(int(shard), ShardCursor.Kind(kind))
    messages.success(request, _("The next sweep continues it."))
    return redirect("admin:delivery")


def _figures(room: Room | None) -> dict[str, Any]:
    rates = or_none(drain_rates.rates)
    known = None if rates is None else rates.unexported
    states = or_none(lambda: list(shard_states(known)))
    rooms = or_none(
        lambda: (
            room_watermarks.worth_a_look() if room is None else room_watermarks.of_rooms([room.pk])
        )
    )
    return {
        "shards": None if states is None else _shards(states, rates),
        "stopped": [state for state in states or () if state.stopped_at is not None],
        "rooms": rooms,
        "rates": rates,
        "totals": _totals(states, rates),
        "processes": or_none(announcing.processes),
        "health": or_none(delivery_health.last_check),
        "bus_name": event_bus().name,
        "bus": or_none(event_bus_state.last),
        "shard_count": settings.ENV.shards,
    }


def _shards(states: list[ShardState], rates: drain_rates.Rates | None) -> list[dict[str, Any]]:
    """One row per shard, with both of its steps."""
    rows: dict[int, dict[str, Any]] = {}
    for state in states:
        row = rows.setdefault(state.shard, {"shard": state.shard})
        row[state.kind] = state
    for shard, row in rows.items():
        row["stored_rate"] = None if rates is None else rates.stored.get(shard, 0.0)
        row["exported_rate"] = None if rates is None else rates.exported.get(shard, 0.0)
    return list(rows.values())


def _totals(states: list[ShardState] | None, rates: drain_rates.Rates | None) -> dict[str, Any]:
    def waiting(kind: str) -> int | None:
        counts = [state.waiting for state in states or () if state.kind == kind]
        known = [count for count in counts if count is not None]
        return sum(known) if states is not None and len(known) == len(counts) else None

    return {
        "unstored": waiting(ShardCursor.Kind.PERSIST.value),
        "unexported": waiting(ShardCursor.Kind.EXPORT.value),
        "stored_rate": None if rates is None else sum(rates.stored.values()),
        "exported_rate": None if rates is None else sum(rates.exported.values()),
    }


def or_none(look: Callable[[], T]) -> T | None:
    """The result of `look`; None when the server that it asks is down."""
    try:
        return look()
    except (RedisError, OSError, DatabaseError):
        return None
