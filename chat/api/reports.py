"""Reports: for the person who makes them, and for those who moderate a room."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpResponse
from ninja import Router
from ninja.params.functions import Path, Query

from chat.actions import reports as actions
from chat.actions.recorded_act import Options
from chat.api import schemas
from chat.api.answers import answer, nothing
from chat.api.forms import breaks
from chat.api.moderation import check_moderates
from chat.api.requests import MODERATING, READS, REPORTS, WRITES, SignedInRequest, by
from chat.api.rooms import ERRORS, Key, RoomId
from chat.audit.permissions import Act
from chat.broken_rules import Rule
from chat.models import Report
from chat.protocol import MAX_ID
from chat.queries import reports
from chat.servers.postgres import in_database

router = Router(tags=["reports"])

MAX_REPORTS = 200

ReportId = Annotated[int, Path(ge=1, le=MAX_ID)]


@router.post(
    "/reports",
    response={201: schemas.Report, **ERRORS},
    throttle=REPORTS,
    openapi_extra=breaks(Rule.NOT_ONES_OWN),
)
async def report(request: SignedInRequest, body: schemas.NewReport) -> HttpResponse:
    """Report a message that I can read. While my report is open, a repeat makes no second one."""
    made = await actions.report_message(
        request.auth.user_id, body.room, body.seq, body.category, body.note
    )
    return answer(_for_reporter(made), 201)


@router.get("/reports/mine", response={200: schemas.Reports, **ERRORS}, throttle=READS)
async def mine(
    request: SignedInRequest,
    before: int = Query(MAX_ID, ge=1, le=MAX_ID, description="Reports before this id."),
    limit: int = Query(50, ge=1, le=MAX_REPORTS),
) -> HttpResponse:
    """What I have reported and what became of it, newest first."""
    page = await in_database(reports.made_by, request.auth.user_id, before=before, limit=limit)
    return answer({"reports": [_for_reporter(one) for one in page.reports], "more": page.more})


@router.post("/reports/mine/seen", response={204: None, **ERRORS}, throttle=WRITES)
async def seen(request: SignedInRequest, body: schemas.SeenReports) -> HttpResponse:
    """Record that I have read how these reports of mine ended."""
    await in_database(reports.mark_seen, request.auth.user_id, body.ids)
    return nothing()


@router.get(
    "/reports/waiting",
    response={200: dict[str, int], **ERRORS},
    throttle=READS,
    auth=MODERATING,
)
async def waiting(request: SignedInRequest) -> HttpResponse:
    """How many reports are open in each room that I moderate; rooms without any are left out."""
    found = await in_database(reports.waiting_for, request.auth.user_id)
    return answer({str(room): number for room, number in found.items()})


@router.get(
    "/rooms/{room_id}/reports",
    response={200: schemas.RoomReports, **ERRORS},
    throttle=READS,
    auth=MODERATING,
)
async def of_room(
    request: SignedInRequest,
    room_id: RoomId,
    state: Literal["waiting", "closed"] = "waiting",
    before: int = Query(MAX_ID, ge=1, le=MAX_ID, description="Reports before this id."),
    limit: int = Query(50, ge=1, le=MAX_REPORTS),
) -> HttpResponse:
    """Reports of messages in a room that I moderate, newest first; none about myself."""
    me = request.auth.user_id
    await check_moderates(me, room_id)
    page = await in_database(
        reports.of_room, room_id, me, waiting=state == "waiting", before=before, limit=limit
    )
    number = (await in_database(reports.waiting_in, [room_id], me)).get(room_id, 0)
    shown = [_for_moderator(one) for one in page.reports]
    return answer({"reports": shown, "more": page.more, "waiting": number})


@router.post(
    "/rooms/{room_id}/reports/{report_id}/assign",
    response={200: schemas.Report, **ERRORS},
    throttle=WRITES,
    auth=MODERATING,
)
async def assign(request: SignedInRequest, room_id: RoomId, report_id: ReportId) -> HttpResponse:
    """Assign a report of a room that I moderate to myself."""
    await _check_is_of(report_id, room_id)
    taken = await actions.assign(by(request), report_id, request.auth.user_id)
    return answer(_for_moderator(taken))


@router.post(
    "/rooms/{room_id}/reports/{report_id}/dismiss",
    response={204: None, **ERRORS},
    throttle=WRITES,
    auth=MODERATING,
)
async def dismiss(
    request: SignedInRequest, room_id: RoomId, report_id: ReportId, body: schemas.Dismissal
) -> HttpResponse:
    """Close a report, and others of the same message, without an act."""
    await _check_is_of(report_id, room_id)
    await actions.dismiss(by(request), report_id, body.reason, body.answer)
    return nothing()


@router.post(
    "/rooms/{room_id}/reports/{report_id}/resolve",
    response={204: None, **ERRORS},
    throttle=WRITES,
    auth=MODERATING,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT, Rule.HAS_AUTHOR, Rule.NOT_DIRECT),
)
async def resolve(
    request: SignedInRequest,
    room_id: RoomId,
    report_id: ReportId,
    body: schemas.Resolution,
    key: Key = None,
) -> HttpResponse:
    """Act on the message or its author, and close the report with that."""
    await _check_is_of(report_id, room_id)
    await actions.resolve(
        by(request),
        report_id,
        Act(body.action),
        seconds=body.seconds,
        answer=body.answer,
        options=Options(reason=body.reason, key=key),
    )
    return nothing()


async def _check_is_of(report_id: int, room_id: int) -> None:
    """Raises: ClientError `not_found` for a report requested under another room's address."""
    if not await in_database(Report.objects.filter(pk=report_id, room_id=room_id).exists):
        raise actions.no_such_report()


def _for_reporter(report: Report) -> dict[str, Any]:
    # Not who worked on it: the answer comes from the site, not from a person to be angry with.
    return {**_shown(report), "reporter": report.reporter_id, "assignee": None, "closed_by": None}


def _for_moderator(report: Report) -> dict[str, Any]:
    # Not who reported: a moderator is somebody they meet in the room every day.
    return {**_shown(report), "reporter": None}


def _shown(report: Report) -> dict[str, Any]:
    return {
        "id": report.pk,
        "room": report.room_id,
        "seq": report.seq,
        "author": report.author_id,
        "category": report.category,
        "note": report.note,
        "created_at": report.created_at,
        "state": report.state,
        "assignee": report.assignee_id,
        "resolution": report.resolution,
        "answer": report.answer,
        "closed_at": report.closed_at,
        "closed_by": report.closed_by_id,
        "seen_at": report.seen_at,
    }
