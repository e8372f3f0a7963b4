"""The queue of reports: how long each has waited, who works on it, and how it was answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from chat.actions import reports as report_actions
from chat.actions.recorded_act import Options
from chat.admin.kit.guards import page, person, post_only, reason_of, render
from chat.admin.kit.keyset_paging import PAGE_ROWS, read_page, shown_count
from chat.admin.kit.records import REASON_CHARACTERS, by
from chat.admin.kit.room_lookup import is_id
from chat.admin.moderation.act_page import refusal_text
from chat.admin.moderation.history import around
from chat.admin.moderation.history_filter import may_read, recorded
from chat.admin.moderation.offered_acts import ACTS, MUTES
from chat.audit.permissions import STAFF, Act
from chat.errors import ClientError
from chat.models import AuditEntry, Message, Report
from chat.queries.reports import queue
from chat.servers.statement_timeout import limited

PERMISSION = "chat.resolve_reports"
# A form may name as many as one page shows.
MAX_CHOSEN = 50
STATES = ("waiting", "mine", "closed", "all")
ASSIGN, GIVE_BACK, DISMISS, RESOLVE = "assign", "give_back", "dismiss", "resolve"


@page(PERMISSION)
def reports(request: HttpRequest) -> HttpResponse:
    state = request.GET.get("state") or STATES[0]
    if state not in STATES:
        raise BadRequest("There is no such state.")
    found = reports_in(request, state)
    category = request.GET.get("category", "")
    if category:
        found = found.filter(category=category)
    with limited():
        # The report that has waited longest comes first; of closed ones, the latest.
        shown = read_page(
            found,
            ("id",),
            request.GET.get("at") or None,
            PAGE_ROWS,
            oldest_first=state in ("waiting", "mine"),
        )
        count, exact = shown_count(found, shown)
    form = {name: request.GET[name] for name in ("state", "category") if request.GET.get(name)}
    return render(
        request,
        "reports",
        _("Reports"),
        {
            "state": state,
            "category": category,
            "categories": Report.Category.choices,
            "page": shown,
            "count": count,
            "exact": exact,
            "query": urlencode(form),
        },
    )


@page(PERMISSION)
def report(request: HttpRequest, id: int) -> HttpResponse:
    """One report, with the message if this person may read it, and what may be done."""
    found = _report(id)
    message = (
        Message.objects.filter(room=found.room_id, seq=found.seq)
        .select_related("room", "author")
        .first()
    )
    readable = message is not None and may_read(request, found.room)
    nearby = around(message) if message is not None and readable else []
    recorded(request, nearby, f"report {found.pk}")
    return render(
        request,
        "report",
        _("Report"),
        {
            "report": found,
            "message": message,
            "readable": readable,
            "nearby": nearby,
            "waits": found.state in Report.WAITING,
            "mine": found.assignee_id == person(request).pk,
            "resolutions": resolutions(request),
            "mutes": MUTES,
            "timed": " ".join(sorted(report_actions.TAKES_SECONDS)),
            "others": Report.objects.filter(room=found.room_id, seq=found.seq)
            .exclude(pk=found.pk)
            .select_related("reporter")
            .order_by("-pk")[:20],
            "entries": AuditEntry.objects.filter(report=found.pk)
            .select_related("outcome")
            .order_by("-pk")[:20],
            "resolution_label": label_of(found.resolution),
        },
    )


@post_only(PERMISSION)
def report_act(request: HttpRequest) -> HttpResponse:
    """Assigns at once; closing is previewed first, then done with a reason."""
    do, ids = request.POST.get("do", ""), _chosen(request)
    if do in (ASSIGN, GIVE_BACK):
        assignee = person(request).pk if do == ASSIGN else None
        return _assigned(request, ids, assignee)
    if do not in (DISMISS, RESOLVE) or (do == RESOLVE and len(ids) != 1):
        raise BadRequest("There is no such act.")
    if not ids:
        messages.warning(request, _("Nothing was selected, or it no longer exists."))
        return redirect("admin:reports")
    act = _resolution(request) if do == RESOLVE else None
    why, problem = reason_of(request)
    answer = request.POST.get("answer", "").strip()
    confirmed = "confirmed" in request.POST
    if problem is None and len(answer) > REASON_CHARACTERS:
        problem = _("The answer can have at most 500 characters.")
    if not confirmed or problem is not None:
        return render(
            request,
            "report_act",
            _("Close a report"),
            {
                "do": do,
                "action": act,
                "offered": None if act is None else ACTS[act],
                "seconds": request.POST.get("seconds", ""),
                "duration": dict(MUTES).get(_seconds(request, act) or 0, ""),
                "reports": [_report(one) for one in ids],
                "why": why,
                "answer": answer,
                "problem": problem if confirmed else None,
                "key": request.POST.get("key") or uuid7(),
            },
        )
    return _closed(request, ids, act, why, answer)


def _closed(
    request: HttpRequest, ids: list[int], act: Act | None, why: str, answer: str
) -> HttpResponse:
    who, seconds = by(request), _seconds(request, act)
    options = Options(reason=why, key=request.POST.get("key") or None)

    def close(one: int) -> Awaitable[Any]:
        if act is None:
            return report_actions.dismiss(who, one, why, answer)
        return report_actions.resolve(
            who, one, act, seconds=seconds, answer=answer, options=options
        )

    for one in ids:
        if _do(request, partial(close, one)) is not None:
            messages.success(request, _("Closed: report %s. The reporter is notified.") % one)
    return _back(ids)


def _assigned(request: HttpRequest, ids: list[int], assignee: int | None) -> HttpResponse:
    """Assigns the reports, and says so if one was somebody else's, who may be working on it."""
    before = Report.objects.select_related("assignee").in_bulk(ids)
    for one in ids:
        done = _do(request, partial(report_actions.assign, by(request), one, assignee))
        had = before[one].assignee if one in before else None
        if done is not None and had is not None and had.pk not in (assignee, person(request).pk):
            messages.warning(
                request,
                _("Report %(report)s was taken over from @%(name)s.")
                % {"report": one, "name": had.username},
            )
    return _back(ids)


def _back(ids: list[int]) -> HttpResponse:
    return redirect("admin:report", id=ids[0]) if len(ids) == 1 else redirect("admin:reports")


def _do(request: HttpRequest, call: Callable[[], Awaitable[Any]]) -> Any | None:
    """The outcome of the act; None, with a message on the page, when it is refused."""

    async def run() -> Any:
        return await call()

    try:
        return async_to_sync(run)()
    except ClientError as refused:
        if refused.code == "key_conflict":
            messages.info(request, _("Somebody has already closed this report."))
        elif refused.code == "unavailable":
            messages.error(
                request,
                _(
                    "The log or PostgreSQL is unreachable. "
                    "Send the form again: nothing is done twice."
                ),
            )
        else:
            messages.error(request, refusal_text(refused))
        return None


def reports_in(request: HttpRequest, state: str) -> QuerySet[Report]:
    """The reports in one of `STATES`."""
    if state == "waiting":
        return queue(Report.WAITING)
    if state == "mine":
        return queue(Report.WAITING, assignee=person(request).pk)
    if state == "closed":
        return queue([one for one in Report.State if one not in Report.WAITING])
    return queue()


def resolutions(request: HttpRequest) -> list[tuple[str, Any]]:
    """The acts that can resolve a report and that this person may do."""
    return [
        (act.value, ACTS[act].label)
        for act in report_actions.RESOLVING
        if request.user.has_perm(STAFF[act])
    ]


def label_of(resolution: str) -> Any:
    return ACTS[Act(resolution)].label if resolution in ACTS else resolution


def _resolution(request: HttpRequest) -> Act:
    try:
        act = Act(request.POST.get("action", ""))
    except ValueError as error:
        raise BadRequest("There is no such act.") from error
    if act not in report_actions.RESOLVING:
        raise BadRequest("There is no such act.")
    if not request.user.has_perm(STAFF[act]):
        raise PermissionDenied
    return act


def _seconds(request: HttpRequest, act: Act | None) -> int | None:
    if act not in report_actions.TAKES_SECONDS:
        return None
    given = request.POST.get("seconds", "")
    for seconds, _label in MUTES:
        if str(seconds) == given:
            return int(seconds)
    raise BadRequest("This cannot be selected.")


def _chosen(request: HttpRequest) -> list[int]:
    given = list(dict.fromkeys(request.POST.getlist("reports")))
    if len(given) > MAX_CHOSEN or not all(map(is_id, given)):
        raise BadRequest("These are not reports.")
    return [int(one) for one in given]


def _report(id: int) -> Report:
    found = (
        Report.objects.select_related("room", "author", "reporter", "assignee", "closed_by")
        .filter(pk=id)
        .first()
    )
    if found is None:
        raise Http404
    return found
