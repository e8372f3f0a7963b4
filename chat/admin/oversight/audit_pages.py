"""Finds, shows and exports the audit log: what people did with rights over others."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib.postgres.search import SearchQuery
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from chat.admin.kit import export
from chat.admin.kit.guards import page, post_only, render
from chat.admin.kit.keyset_paging import PAGE_ROWS, estimated, read_page, shown_count
from chat.admin.kit.moments import moment_of
from chat.admin.kit.records import note
from chat.admin.kit.room_lookup import find_person, find_room
from chat.audit.permissions import Act
from chat.models import AuditEntry
from chat.servers.statement_timeout import TooSlow, limited

FORM = ("action", "actor", "user", "room", "door", "since", "until", "q", "batch")
KEY = ("id",)
MAX_QUERY_CHARACTERS = 200


@page("chat.view_audit")
def audit_log(request: HttpRequest) -> HttpResponse:
    found, problems = entries_of(request.GET)
    context: dict[str, Any] = {
        "chosen": request.GET,
        "problems": problems,
        "acts": list(Act),
        "channels": AuditEntry.Channel.choices,
        "query": urlencode(form_of(request.GET)),
        "filtered": bool(form_of(request.GET)),
    }
    status = 200
    if not problems:
        try:
            with limited():
                shown = read_page(found, KEY, request.GET.get("at") or None, PAGE_ROWS)
                count, exact = shown_count(found, shown)
            context |= {"page": shown, "entries": shown.rows, "count": count, "exact": exact}
        except TooSlow:
            context["too_slow"] = True
            status = 503
    return render(request, "audit", _("Audit log"), context, status=status)


@page("chat.view_audit")
def audit_export(request: HttpRequest) -> HttpResponse:
    found, problems = entries_of(request.GET)
    context: dict[str, Any] = {
        "problems": problems,
        "form": form_of(request.GET),
        "query": urlencode(form_of(request.GET)),
        "what": _("Entries"),
        "back": "admin:audit",
        "start": "admin:audit_export_start",
        "rows": "admin:audit_export_rows",
    }
    if not problems:
        context["count"] = estimated(found)
    return render(request, "export", _("Export"), context)


@post_only("chat.view_audit")
def audit_export_start(request: HttpRequest) -> HttpResponse:
    """Puts the export on record, in the very log that is exported, and signs its request."""
    _found, problems = entries_of(request.POST)
    kind = request.POST.get("format", "")
    if problems or kind not in export.FORMATS:
        raise BadRequest("The export form is incomplete.")
    form = form_of(request.POST)
    recorded = {name: value for name, value in form.items() if name != "q"}
    note(
        request,
        Act.AUDIT_EXPORT,
        AuditEntry.TargetKind.AUDIT,
        "*",
        after={**recorded, "format": kind},
    )
    return JsonResponse({"ticket": export.signed(request, "audit", form, kind)})


@page("chat.view_audit")
def audit_export_rows(request: HttpRequest) -> HttpResponse:
    asked = export.verified(request, "audit")
    found, problems = entries_of(asked.form)
    if problems:
        raise BadRequest("What the export was filtered by no longer exists.")
    token = request.GET.get("at") or None
    try:
        with limited():
            stretch = read_page(found, KEY, token, export.STRETCH_ROWS)
    except TooSlow:
        return HttpResponse(status=503)
    return export.stretch(
        asked,
        exported_rows(stretch.rows),
        first=token is None,
        next=stretch.next,
        count=len(stretch.rows),
    )


def exported_rows(entries: Iterable[AuditEntry]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        outcome = getattr(entry, "outcome", None)
        yield {
            "id": entry.pk,
            "at": entry.at,
            "actor": entry.actor_id,
            "actor_name": entry.actor_name,
            "door": entry.door,
            "address": entry.address,
            "action": entry.action,
            "target_kind": entry.target_kind,
            "target_id": entry.target_id,
            "room": entry.room_id,
            "seq": entry.seq,
            "user": entry.user_id,
            "report": entry.report_id,
            "batch": None if entry.batch is None else str(entry.batch),
            "reason": entry.reason,
            "before": entry.before,
            "after": entry.after,
            "outcome": None if outcome is None else outcome.result,
            "outcome_at": None if outcome is None else outcome.at,
            "outcome_seq": None if outcome is None else outcome.seq,
            "detail": None if outcome is None else outcome.detail,
        }


def entries_of(given: Mapping[str, Any]) -> tuple[QuerySet[AuditEntry], list[str]]:
    """The entries that match a form, and what is wrong with the form."""
    problems: list[str] = []
    found = AuditEntry.objects.select_related("actor", "room", "user", "outcome").defer("search")
    for name in ("actor", "user"):
        if given.get(name):
            person = find_person(given[name])
            if person is None:
                problems.append(_("Nobody has this name."))
            else:
                found = found.filter(**{name: person})
    if given.get("room"):
        room = find_room(given["room"])
        if room is None:
            problems.append(_("There is no such room: give its address or its number."))
        else:
            found = found.filter(room=room)
    if given.get("action"):
        # A prefix matches too: "member." means all that is done to members.
        act = str(given["action"])[:40]
        found = (
            found.filter(action__startswith=act) if act.endswith(".") else found.filter(action=act)
        )
    if given.get("door"):
        found = found.filter(door=str(given["door"])[:10])
    for name, lookup in (("since", "at__gte"), ("until", "at__lte")):
        try:
            moment = moment_of(given.get(name) or "")
        except ValueError:
            problems.append(_("A time looks like 2026-11-25 09:30."))
        else:
            found = found if moment is None else found.filter(**{lookup: moment})
    if given.get("batch"):
        try:
            found = found.filter(batch=uuid.UUID(str(given["batch"])))
        except ValueError:
            problems.append(_("This is not a bulk act."))
    words = (given.get("q") or "").strip()
    if len(words) > MAX_QUERY_CHARACTERS:
        problems.append(_("A search has 2 to 200 characters."))
    elif words:
        found = found.filter(search=SearchQuery(words, config="simple", search_type="websearch"))
    return found, problems


def form_of(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(given[name]) for name in FORM if given.get(name)}
