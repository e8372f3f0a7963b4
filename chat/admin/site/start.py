"""The start page: what needs a person now, and what happened today.

Each card is independent: one whose server is down says so, and the others are still shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from chat import dead_letters
from chat.admin.delivery.delivery import or_none
from chat.admin.kit.analytics_link import analytics_url
from chat.models import Report, ShardCursor, User
from chat.monitoring import delivery_health, event_bus_state
from chat.names.usernames import PROBE_USERNAME
from chat.queries.analytics_host import own_traffic
from chat.servers import clocks

# A lag from here on is worth a look: thirty times what a drain takes, or a missed sweep or two.
LAG_SECONDS = 10.0
# The periodic check runs every minute; after three it is missing.
CHECK_OLD = timedelta(minutes=3)
# Today's figures are counted at most this often, however many people look.
TODAY_SECONDS = 30
TODAY_KEY = "admin:today"

# Each count reads only today's part of an index: the newest day of the longest table.
TODAY = """
    WITH written AS (
        SELECT author_id, room_id FROM chat_message
        WHERE at >= %(since)s AND author_id IS DISTINCT FROM %(probe)s::bigint
    )
    SELECT (SELECT count(*) FROM written),
           (SELECT count(DISTINCT author_id) FROM written),
           (SELECT count(DISTINCT room_id) FROM written),
           (SELECT count(*) FROM chat_auditentry WHERE at >= %(since)s)
"""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that may need attention. `figure` None: unknown at the moment."""

    title: str
    figure: str | None
    says: str
    link: str | None = None
    level: str = ""  # "", "warning" or "danger"


def overview(request: HttpRequest) -> dict[str, Any]:
    """What the start page shows to this person: only what they may look into."""
    cards = [card for card in _cards(request) if card is not None]
    return {
        "cards": cards,
        "all_is_well": all(card.level == "" for card in cards),
        "today": or_none(_today),
        "analytics_url": analytics_url(request),
    }


def _cards(request: HttpRequest) -> Iterator[Card | None]:
    may = request.user.has_perm
    if settings.ENV.allow_weak_log:
        yield Card(
            title=_("Log"),
            figure=_("weak"),
            says=_("Acknowledged messages may be lost: ALLOW_WEAK_LOG is set."),
            level="danger",
        )
    if may("chat.resolve_reports"):
        yield _reports()
    if may("chat.view_dead_letters"):
        yield _letters()
    if may("chat.view_delivery"):
        yield from _delivery()


def _reports() -> Card:
    waiting = or_none(lambda: _waiting_reports())
    if waiting is None:
        return Card(title=_("Reports"), figure=None, says=_("PostgreSQL does not answer."))
    count, oldest = waiting
    return Card(
        title=_("Open reports"),
        figure=str(count),
        says=_("nobody is waiting")
        if oldest is None
        else _("the oldest: %s") % f"{oldest:%Y-%m-%d %H:%M}",
        link=reverse("admin:reports"),
        level="warning" if count else "",
    )


def _waiting_reports() -> tuple[int, datetime | None]:
    waiting = Report.objects.filter(state__in=Report.WAITING)
    oldest = waiting.order_by("created_at").values_list("created_at", flat=True).first()
    return waiting.count(), oldest


def _letters() -> Card:
    counts = or_none(dead_letters.counts)
    if counts is None:
        return Card(title=_("Dead letters"), figure=None, says=_("The log server does not answer."))
    return Card(
        title=_("Dead letters"),
        figure=f"{counts.total:,}".replace(",", "\u202f"),
        says=_("parked, waiting for a person: %s") % counts.parked,
        link=reverse("admin:dead_letters"),
        level="danger" if counts.parked else "warning" if counts.total else "",
    )


def _delivery() -> Iterator[Card]:
    link = reverse("admin:delivery")
    stopped = or_none(lambda: list(ShardCursor.objects.exclude(stopped_at=None)))
    if stopped:
        yield Card(
            title=_("Stopped shards"),
            figure=str(len(stopped)),
            says=", ".join(f"{one.kind} {one.shard}" for one in stopped[:5]),
            link=link,
            level="danger",
        )
    bus = or_none(event_bus_state.last)
    if bus is not None and (bus.refused or bus.weaknesses):
        yield Card(
            title=_("Event bus"),
            figure=_("not used") if bus.refused else _("weak"),
            says=bus.refused or _("It may lose what it has acknowledged."),
            link=link,
            level="danger" if bus.refused else "warning",
        )
    health = or_none(delivery_health.last_check)
    if health is None:
        yield Card(
            title=_("Violations"),
            figure=None,
            says=_("No check has run lately: is a worker with beat running?"),
            link=link,
            level="warning",
        )
        return
    violations = sum(health.violations.values())
    old = clocks.BUS.now() - health.checked_at > CHECK_OLD
    yield Card(
        title=_("Violations"),
        figure=str(violations),
        says=_("The last check is from %s UTC.") % f"{health.checked_at:%Y-%m-%d %H:%M}",
        link=link,
        level="danger" if violations else "warning" if old else "",
    )
    lag = max(health.stored.seconds, health.exported.seconds)
    yield Card(
        title=_("Lag"),
        figure=_("%(n)s s") % {"n": f"{lag:.0f}"},
        says=_("not stored: %(stored)s, not exported: %(exported)s")
        % {"stored": health.stored.events, "exported": health.exported.events},
        link=link,
        level="warning" if lag > LAG_SECONDS else "",
    )


def _today() -> dict[str, int]:
    """Figures since midnight UTC, without what the probe writes."""
    kept: dict[str, int] | None = cache.get(TODAY_KEY)
    if kept is not None:
        return kept
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(TODAY, {"since": midnight, "probe": own_traffic().user_id})
        messages, people, rooms, acts = cursor.fetchone()
    found = {
        "messages": messages,
        "people": people,
        "rooms": rooms,
        "acts": acts,
        "joined": User.objects.filter(date_joined__gte=midnight)
        .exclude(username=PROBE_USERNAME)
        .count(),
    }
    cache.set(TODAY_KEY, found, TODAY_SECONDS)
    return found
