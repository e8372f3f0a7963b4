"""Reads the queue of reports. Functions use the ORM; call them through `in_database`.

The callers decide who may see what: staff see everything, a room's moderators see what `of_room`
gives, and a reporter sees what `made_by` gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from chat.events import Role
from chat.models import Membership, Report

MODERATING = (Role.MODERATOR, Role.OWNER)


class ReportPage(msgspec.Struct, frozen=True):
    """Reports, newest first; `more` tells whether older ones exist."""

    reports: list[Report]
    more: bool


def queue(
    states: Sequence[str] = (), assignee: int | None = None, room: int | None = None
) -> QuerySet[Report]:
    """Reports for staff, the longest-waiting first. Filters that are not given let all pass."""
    found = Report.objects.select_related("room", "author", "reporter", "assignee", "closed_by")
    if states:
        found = found.filter(state__in=states)
    if assignee is not None:
        found = found.filter(assignee_id=assignee)
    if room is not None:
        found = found.filter(room_id=room)
    return found.order_by("id")


def of_room(room: int, viewer: int, *, waiting: bool, before: int, limit: int) -> ReportPage:
    """Reports of a room for one of its moderators, except those about that moderator."""
    found = _for_moderator(viewer).filter(room_id=room, id__lt=before)
    found = (
        found.filter(state__in=Report.WAITING)
        if waiting
        else found.exclude(state__in=Report.WAITING)
    )
    return _page(found, limit)


def made_by(reporter: int, *, before: int, limit: int) -> ReportPage:
    return _page(Report.objects.filter(reporter_id=reporter, id__lt=before), limit)


def waiting_in(rooms: Iterable[int], viewer: int) -> dict[int, int]:
    """How many reports wait in each of `rooms` for a moderator of them; only rooms with any."""
    found = _for_moderator(viewer).filter(room_id__in=list(rooms), state__in=Report.WAITING)
    return dict(found.values_list("room_id").annotate(number=Count("id")).order_by())


def waiting_for(moderator: int) -> dict[int, int]:
    """The same for all rooms that `moderator` moderates according to PostgreSQL."""
    rooms = Membership.objects.filter(user_id=moderator, role__in=MODERATING)
    return waiting_in(rooms.values_list("room_id", flat=True), moderator)


def moderators_who_see(report: Report) -> list[int]:
    """The moderators of its room according to PostgreSQL, except the person whom it is about."""
    moderators = Membership.objects.filter(room_id=report.room_id, role__in=MODERATING)
    if report.author_id is not None:
        moderators = moderators.exclude(user_id=report.author_id)
    return list(moderators.values_list("user_id", flat=True))


def mark_seen(reporter: int, ids: Iterable[int]) -> None:
    """Note that the reporter has read the outcomes; ids of other people's reports are skipped."""
    Report.objects.filter(
        reporter_id=reporter, id__in=list(ids), closed_at__isnull=False, seen_at=None
    ).update(seen_at=timezone.now())


def _for_moderator(viewer: int) -> QuerySet[Report]:
    # Not `exclude`, which would lose the reports of messages without an author.
    return Report.objects.filter(Q(author=None) | ~Q(author_id=viewer))


def _page(found: QuerySet[Report], limit: int) -> ReportPage:
    rows = list(found.order_by("-id")[: limit + 1])
    return ReportPage(rows[:limit], len(rows) > limit)
