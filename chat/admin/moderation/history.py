"""The history: messages across rooms, one message with all its changes, and exports."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages as messages_to_user
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from msgspec import structs

from chat.admin.kit import export
from chat.admin.kit.guards import page, post_only, reading_form, render
from chat.admin.kit.keyset_paging import PAGE_ROWS, RowPage, estimated, read_page, shown_count
from chat.admin.kit.records import note
from chat.admin.kit.room_lookup import is_id
from chat.admin.moderation import event_log
from chat.admin.moderation.history_filter import (
    MAX_CHOSEN,
    READ_PRIVATE,
    HistoryFilter,
    may_read,
    messages_of,
    read_filter,
    recorded,
)
from chat.admin.moderation.marked_words import marked
from chat.admin.moderation.offered_acts import choices_for
from chat.audit.permissions import Act
from chat.models import (
    AuditEntry,
    ExportedRoom,
    Message,
    Reaction,
    Report,
    RoomEvent,
    ShardCursor,
)
from chat.persistence import batch_times
from chat.queries.search_marks import marks
from chat.queries.search_query import parse
from chat.servers.statement_timeout import STATEMENT_TIMEOUT_MS, TooSlow, limited

# Messages shown before and after one: enough to see what it answers.
AROUND = 10
BY_WORDS_TIMEOUT_MS = 2_500
FORM = ("room", "author", "since", "until", "state", "q", "private")


@page("chat.view_history")
def history(request: HttpRequest) -> HttpResponse:
    """The list; a filter that PostgreSQL cannot answer in time is refused with advice."""
    wanted, problems = read_filter(request, request.GET)
    context: dict[str, Any] = {
        "chosen": request.GET,
        "problems": problems,
        "query": urlencode(form_of(request.GET)),
        "filtered": wanted != HistoryFilter(private=wanted.private),
        "may_read_private": request.user.has_perm(READ_PRIVATE),
        "actions": choices_for(request.user, AuditEntry.TargetKind.MESSAGE),
        "private": wanted.private,
        "seconds": STATEMENT_TIMEOUT_MS // 1000,
    }
    status = 200
    if not problems:
        found = messages_of(wanted)
        try:
            with limited():
                shown = page_of(wanted, found, request.GET.get("at") or None, PAGE_ROWS)
                count, exact = shown_count(found, shown)
                recorded(request, shown.rows, "list")
                context |= {
                    "page": shown,
                    "count": count,
                    "exact": exact,
                    "lines": lines_of(shown.rows, wanted.words),
                }
        except TooSlow:
            context["too_slow"] = True
            status = 503
    return render(request, "history", _("History"), context, status=status)


def page_of(
    wanted: HistoryFilter, found: QuerySet[Message], token: str | None, size: int
) -> RowPage:
    """The page of `found`. Words are looked up in their index. If that takes too long, rows are
    read in the order of the list, where a frequent word soon fills a page.

    Raises: BadRequest for an invalid token; TooSlow. Call it inside `limited`.
    """
    if not wanted.words:
        return read_page(found, wanted.key, token, size)
    try:
        with limited(BY_WORDS_TIMEOUT_MS):
            return read_page(found, wanted.key, token, size)
    except TooSlow:
        with limited(STATEMENT_TIMEOUT_MS - BY_WORDS_TIMEOUT_MS), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            return read_page(found, wanted.key, token, size)


@page("chat.view_history")
def message(request: HttpRequest, room: int, seq: int) -> HttpResponse:
    """One message: its place, event log, surrounding messages, reactions and reports."""
    found = (
        Message.objects.select_related("room", "author", "deleted_by")
        .filter(room=room, seq=seq)
        .first()
    )
    if found is None or not may_read(request, found.room):
        raise Http404
    first = event_log.posted(room, seq)
    told, more = event_log.changes(first) if first is not None else ([], False)
    nearby = around(found)
    recorded(request, nearby, "message and around it", told=found)
    exported = ExportedRoom.objects.filter(room=room).values_list("seq", flat=True).first() or 0
    return render(
        request,
        "message",
        _("Message"),
        {
            "message": found,
            "event": first,
            "changes": told,
            "more_changes": more,
            "exported_seq": exported,
            "is_exported": exported >= seq,
            **times_of(first),
            "around": nearby,
            "reactions": reactions_of(found),
            "reports": Report.objects.filter(room=room, seq=seq)
            .select_related("reporter", "assignee")
            .order_by("-pk")[:50]
            if request.user.has_perm("chat.resolve_reports")
            else (),
            "actions": choices_for(
                request.user,
                AuditEntry.TargetKind.MESSAGE,
                {Act.MESSAGE_DELETE if found.deleted_at else Act.MESSAGE_RESTORE},
            ),
            "member_actions": choices_for(request.user, AuditEntry.TargetKind.MEMBER),
            "person_actions": choices_for(request.user, AuditEntry.TargetKind.PERSON),
        },
    )


def times_of(event: RoomEvent | None) -> dict[str, datetime | None]:
    """When the event was stored and exported, if that is still known."""
    if event is None:
        return {}
    stored, exported = [
        batch_times.time_of(kind, event)
        for kind in (ShardCursor.Kind.PERSIST, ShardCursor.Kind.EXPORT)
    ]
    return {"stored_at": stored, "exported_at": exported}


@reading_form("chat.view_history")
def history_export(request: HttpRequest) -> HttpResponse:
    """What an export of the filter, or of the chosen messages, would hold, before it begins."""
    given = request.POST if request.method == "POST" else request.GET
    wanted, problems = read_filter(request, given)
    chosen = chosen_of(given.getlist("ids"))
    if request.method == "POST" and not chosen:
        messages_to_user.warning(request, _("No message was selected."))
        return redirect("admin:history")
    context: dict[str, Any] = {
        "problems": problems,
        "form": form_of(given),
        "chosen_ids": chosen,
        "query": urlencode(form_of(given)),
        "what": _("Messages"),
        "back": "admin:history",
        "start": "admin:history_export_start",
        "rows": "admin:history_export_rows",
        "private": wanted.private,
    }
    if not problems:
        rows = messages_of(narrowed(wanted, chosen))
        context["count"] = len(chosen) if chosen else estimated(rows)
    return render(request, "export", _("Export"), context)


@post_only("chat.view_history")
def history_export_start(request: HttpRequest) -> HttpResponse:
    """Puts the export on record and signs the request for its rows."""
    wanted, problems = read_filter(request, request.POST)
    kind = request.POST.get("format", "")
    if problems or kind not in export.FORMATS:
        raise BadRequest("The export form is incomplete.")
    form = form_of(request.POST)
    chosen = chosen_of(request.POST.getlist("ids"))
    note(
        request,
        Act.HISTORY_EXPORT,
        AuditEntry.TargetKind.ROOM if wanted.room is not None else AuditEntry.TargetKind.MESSAGE,
        str(wanted.room) if wanted.room is not None else "*",
        after={
            # The words searched for may reveal as much as the messages found.
            **{name: value for name, value in form.items() if name != "q"},
            "format": kind,
            "searched": bool(wanted.words),
            "chosen": len(chosen),
        },
    )
    return JsonResponse({"ticket": export.signed(request, "history", form, kind, chosen=chosen)})


@page("chat.view_history")
def history_export_rows(request: HttpRequest) -> HttpResponse:
    """The next stretch of an export."""
    asked = export.verified(request, "history")
    wanted, problems = read_filter(request, asked.form)
    if problems:  # the room is gone, or the right to read it
        raise PermissionDenied
    token = request.GET.get("at") or None
    try:
        with limited():
            wanted = narrowed(wanted, asked.chosen)
            found = page_of(wanted, messages_of(wanted), token, export.STRETCH_ROWS)
            recorded(request, found.rows, "export")
            rows = list(exported_rows(found.rows))
    except TooSlow:
        return HttpResponse(status=503)
    return export.stretch(asked, rows, first=token is None, next=found.next, count=len(found.rows))


def exported_rows(messages: list[Message]) -> Any:
    epochs = event_log.epochs_of((one.room_id, one.seq) for one in messages)
    for one in messages:
        yield {
            "room": one.room_id,
            "room_slug": one.room.slug,
            "seq": one.seq,
            "n": one.n,
            "epoch": epochs.get((one.room_id, one.seq)),
            "author": one.author_id,
            "author_name": None if one.author is None else one.author.username,
            "at": one.at,
            "edited_at": one.edited_at,
            "deleted_at": one.deleted_at,
            "reply_to": one.reply_to,
            "thread": one.thread,
            "body": one.body,
        }


def lines_of(messages: list[Message], words: str) -> list[dict[str, Any]]:
    """What the list shows of each message, with its place and watermarks."""
    epochs = event_log.epochs_of((one.room_id, one.seq) for one in messages)
    exported = dict(
        ExportedRoom.objects.filter(room__in={one.room_id for one in messages}).values_list(
            "room_id", "seq"
        )
    )
    reported = set(
        Report.objects.filter(
            room__in={one.room_id for one in messages}, seq__in={one.seq for one in messages}
        ).values_list("room_id", "seq")
    )
    found = marks([one.body for one in messages], parse(words)) if words else [[] for _ in messages]
    return [
        {
            "message": one,
            "text": marked(one.body, of_one),
            "epoch": epochs.get((one.room_id, one.seq)),
            "exported": exported.get(one.room_id, 0) >= one.seq,
            "reported": (one.room_id, one.seq) in reported,
        }
        for one, of_one in zip(messages, found, strict=True)
    ]


def around(message: Message) -> list[Message]:
    """The conversation before and after the message, oldest first: of the room, or of the thread if
    only that shows the message."""
    found = Message.objects.filter(room=message.room_id).select_related("room", "author")
    if message.n is None:
        found = found.filter(Q(seq=message.thread) | Q(thread=message.thread))
    else:
        found = found.exclude(n=None)
    before = list(found.filter(seq__lt=message.seq).order_by("-seq")[:AROUND])
    after = list(found.filter(seq__gt=message.seq).order_by("seq")[:AROUND])
    return [*before[::-1], message, *after]


def reactions_of(message: Message) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows = Reaction.objects.filter(room=message.room_id, target=message.seq).order_by("pk")
    for emoji, name in rows.values_list("emoji", "user__username")[:500]:
        found.setdefault(emoji, []).append(name)
    return found


def narrowed(wanted: HistoryFilter, chosen: list[int]) -> HistoryFilter:
    """The filter, narrowed to the chosen messages, if any were chosen."""
    return structs.replace(wanted, chosen=chosen)


def chosen_of(given: list[str]) -> list[int]:
    """Ids of messages from check boxes. Raises: BadRequest."""
    if len(given) > MAX_CHOSEN or not all(map(is_id, given)):
        raise BadRequest("These are not messages.")
    return [int(one) for one in given]


def form_of(given: QueryDict) -> dict[str, str]:
    """The part of a URL or form that belongs to the filter."""
    return {name: str(given[name]) for name in FORM if given.get(name)}
