"""Dead letters: found among a million, viewed safely, retried or discarded with a reason.

The right to retry is not the right to read: what people wrote is shown only to those who may read
private rooms, and that is on record. A form sent twice, or two people at once, do everything once:
a dead letter is claimed before anything is done with it, and a bulk act takes its id from its form.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from chat import dead_letters
from chat.admin.delivery import dead_letter_jobs
from chat.admin.kit.guards import page, post_only, reason_of, render, render_part
from chat.admin.kit.moments import moment_of
from chat.admin.kit.records import by, note
from chat.admin.kit.room_lookup import find_room, is_id
from chat.audit.permissions import Act
from chat.dead_letters import DeadLetter, Filter, Outcome, Reason, Result, State, rendering
from chat.models import AuditEntry

PAGE_LETTERS = 50
# A form may name as many as one page shows; more takes a bulk act, with steps.
MAX_CHOSEN = PAGE_LETTERS
HEX_BYTES = 512
SOURCES = ("persist", "export", "analytics", "task:")
PERMISSIONS = {
    dead_letter_jobs.RETRY: "chat.retry_dead_letters",
    dead_letter_jobs.DISCARD: "chat.discard_dead_letters",
}
ACTS = {
    dead_letter_jobs.RETRY: Act.DEAD_LETTER_RETRY,
    dead_letter_jobs.DISCARD: Act.DEAD_LETTER_DISCARD,
}
READ_PERMISSION = "chat.view_private_rooms"
TARGET = AuditEntry.TargetKind.DEAD_LETTER


@page("chat.view_dead_letters")
def dead_letter_list(request: HttpRequest) -> HttpResponse:
    wanted, problems = filter_of(request.GET)
    newest_first = request.GET.get("order") != "oldest"
    context: dict[str, Any] = {
        "chosen": request.GET,
        "problems": problems,
        "sources": SOURCES,
        "reasons": list(Reason),
        "states": list(State),
        "query": urlencode(query_of(request.GET)),
        "filtered": wanted != Filter(),
        **rights(request),
    }
    try:
        found = dead_letters.page(
            wanted,
            limit=PAGE_LETTERS,
            after=request.GET.get("after") or None,
            newest_first=newest_first,
        )
        context |= {
            "letters": [line_of(letter) for letter in found.letters],
            "looked_at": found.looked_at,
            "next": found.next,
            "counts": dead_letters.counts(),
            "jobs": dead_letter_jobs.latest()[:5],
        }
    except RedisError:
        context["down"] = True
    except ValueError as error:
        raise BadRequest(str(error)) from error
    return render(request, "dead_letters", _("Dead letters"), context)


@page("chat.view_dead_letters")
def dead_letter(request: HttpRequest, id: str) -> HttpResponse:
    """All that is known of a dead letter; what people wrote only on request, and on record."""
    try:
        letter = dead_letters.get(id)
        given_up = dead_letters.discarded(id) if letter is None else None
        history = dead_letters.audit_lines(100, id)
    except RedisError:
        return render(request, "dead_letter", _("Dead letter"), {"down": True}, status=503)
    show_words = "payload" in request.GET
    if show_words:
        if not request.user.has_perm(READ_PERMISSION):
            raise PermissionDenied
        if letter is not None:
            room = letter.origin.room
            note(
                request,
                Act.ROOM_READ,
                TARGET,
                id,
                room=None if room is None else find_room(str(room)),
                seq=letter.origin.seq,
            )
    return render(
        request,
        "dead_letter",
        _("Dead letter"),
        {
            "id": id,
            "letter": None if letter is None else line_of(letter),
            "given_up": given_up,
            "history": history,
            "payload": [] if letter is None else payload_of(letter, show_words=show_words),
            "show_words": show_words,
            "may_read": request.user.has_perm(READ_PERMISSION),
            "max_attempts": dead_letters.MAX_ATTEMPTS,
            **rights(request),
        },
        status=404 if letter is None and given_up is None else 200,
    )


@post_only(*PERMISSIONS.values())
def dead_letter_act(request: HttpRequest) -> HttpResponse:
    """Shows what the act would do; given a reason, does it and shows how it went for each."""
    action = request.POST.get("action", "")
    if action not in PERMISSIONS:
        raise BadRequest("There is no such action.")
    if not request.user.has_perm(PERMISSIONS[action]):
        raise PermissionDenied
    why, problem = reason_of(request)
    confirmed = "confirmed" in request.POST
    if request.POST.get("scope") == "all":
        return _act_on_all(request, action, why, confirmed=confirmed, problem=problem)
    ids = list(dict.fromkeys(request.POST.getlist("ids")))[:MAX_CHOSEN]
    if not ids:
        messages.warning(request, _("No dead letter was selected."))
        return redirect("admin:dead_letters")
    if not confirmed or problem is not None:
        letters = _letters(ids)
        return render(
            request,
            "dead_letter_act",
            title_of(action),
            {
                "action": action,
                "letters": [line_of(letter) for letter in letters],
                "missing": len(ids) - len(letters),
                "ids": ids,
                "problem": problem if confirmed else None,
                "why": why,
            },
        )
    return _done(request, action, ids, why)


@page("chat.view_dead_letters")
def dead_letter_job(request: HttpRequest, id: str) -> HttpResponse:
    """How far a bulk act is. While open, the page takes the steps, if its viewer has the right."""
    job = _job(id)
    return render(request, "dead_letter_job", title_of(job.action), _job_context(request, job))


@post_only(*PERMISSIONS.values())
def dead_letter_job_step(request: HttpRequest, id: str) -> HttpResponse:
    """Takes a step of a bulk act, or ends it; answers with the part of the page that updates."""
    job = _job(id)
    if not request.user.has_perm(PERMISSIONS[job.action]):
        raise PermissionDenied
    try:
        moved = (
            dead_letter_jobs.cancel(id) if "cancel" in request.POST else dead_letter_jobs.step(id)
        )
    except RedisError:
        return render_part(
            request,
            "dead_letter_job_state",
            {**_job_context(request, job), "down": True},
            status=503,
        )
    if moved is None:
        raise Http404
    if request.headers.get("X-Requested-With") != "fetch":  # without scripts
        return redirect("admin:dead_letter_job", id=id)
    return render_part(request, "dead_letter_job_state", _job_context(request, moved))


def _act_on_all(
    request: HttpRequest, action: str, why: str, *, confirmed: bool, problem: str | None
) -> HttpResponse:
    wanted, problems = filter_of(request.POST)
    if problems:
        raise BadRequest("The filter is incomplete.")
    if not confirmed or problem is not None:
        try:
            sample = dead_letters.page(wanted, limit=5)
            total = dead_letters.counts().total
        except RedisError:
            messages.error(request, _("The log server is unreachable."))
            return redirect("admin:dead_letters")
        return render(
            request,
            "dead_letter_act",
            title_of(action),
            {
                "action": action,
                "all": True,
                "letters": [line_of(letter) for letter in sample.letters],
                "total": total,
                "filter": query_of(request.POST),
                "job": uuid.uuid4(),
                "problem": problem if confirmed else None,
                "why": why,
            },
        )
    job_id = request.POST.get("job", "")
    try:
        job, made = dead_letter_jobs.begin(
            job_id, action=action, wanted=wanted, why=why, by=by(request)
        )
    except ValueError as error:
        raise BadRequest(str(error)) from error
    except RedisError:
        messages.error(request, _("The log or the bus is unreachable: nothing was started."))
        return redirect("admin:dead_letters")
    if made:
        note(
            request,
            ACTS[action],
            TARGET,
            f"job:{job.id}",
            reason=why,
            after={"filter": query_of(request.POST), "letters": job.total},
        )
    return redirect("admin:dead_letter_job", id=job.id)


def _done(request: HttpRequest, action: str, ids: list[str], why: str) -> HttpResponse:
    # Every dead letter gets its own entry in the audit log; `batch` ties them together.
    results: list[Result] = []
    who, batch = by(request), str(uuid.uuid4())
    if action == dead_letter_jobs.DISCARD:
        found = dead_letters.discard(ids, why=why, by=who, batch=batch)
    else:
        found = dead_letters.retry(ids, by=who, why=why, batch=batch)
    down = False
    try:
        results.extend(found)
    except RedisError:
        down = True
    return render(
        request,
        "dead_letter_results",
        title_of(action),
        {
            "results": [(result, outcome_text(result.outcome)) for result in results],
            "not_reached": ids[len(results) :],
            "down": down,
            "action": action,
        },
    )


def _letters(ids: Iterable[str]) -> list[DeadLetter]:
    try:
        found = [dead_letters.get(one) for one in ids]
    except RedisError:
        return []
    return [letter for letter in found if letter is not None]


def _job(id: str) -> dead_letter_jobs.Job:
    try:
        job = dead_letter_jobs.get(id)
    except RedisError:
        job = None
    if job is None:
        raise Http404
    return job


def _job_context(request: HttpRequest, job: dead_letter_jobs.Job) -> dict[str, Any]:
    return {
        "job": job,
        "outcomes": [(outcome_text(one), count) for one, count in job.outcomes.items()],
        "filter": filter_text(job.wanted),
        "may_act": request.user.has_perm(PERMISSIONS[job.action]),
        "running": job.state == dead_letter_jobs.RUNNING,
        "cancelled": job.state == dead_letter_jobs.CANCELLED,
    }


def rights(request: HttpRequest) -> dict[str, bool]:
    return {
        "may_retry": request.user.has_perm(PERMISSIONS[dead_letter_jobs.RETRY]),
        "may_discard": request.user.has_perm(PERMISSIONS[dead_letter_jobs.DISCARD]),
    }


def filter_of(given: Any) -> tuple[Filter, list[str]]:
    """The filter in a form, and what is wrong with the form; faulty parts are left out."""
    problems = []
    reason, state = given.get("reason") or None, given.get("state") or None
    room = (given.get("room") or "").strip()
    if reason is not None and reason not in {one.value for one in Reason}:
        problems.append(_("There is no such reason."))
        reason = None
    if state is not None and state not in {one.value for one in State}:
        problems.append(_("There is no such state."))
        state = None
    if room and not is_id(room):
        found = find_room(room)
        if found is None:
            problems.append(_("There is no such room. You can also give its number."))
        room = "" if found is None else str(found.pk)
    times: dict[str, datetime | None] = {}
    for name in ("since", "until"):
        try:
            times[name] = moment_of(given.get(name) or "")
        except ValueError:
            times[name] = None
            problems.append(_("A time looks like 2026-11-25 09:30."))
    wanted = Filter(
        source=(given.get("source") or "").strip()[:100] or None,
        reason=reason,
        room=int(room) if room else None,
        state=None if state is None else State(state),
        **times,
    )
    return wanted, problems


def query_of(given: Any) -> dict[str, str]:
    """The part of a form that belongs to the filter, to be passed on in URLs and forms."""
    names = ("source", "reason", "room", "state", "since", "until", "order")
    return {name: given.get(name) for name in names if given.get(name)}


def filter_text(wanted: Filter) -> str:
    """The filter in words, for the page of a bulk act."""
    parts = {
        _("source"): wanted.source,
        _("reason"): wanted.reason,
        _("room"): wanted.room,
        _("state"): wanted.state,
        _("since"): shown_moment(wanted.since),
        _("until"): shown_moment(wanted.until),
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)


def shown_moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def line_of(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as pages show it: escaped, cut off, and never more than an entry holds."""
    error = letter.problem or letter.last_error or letter.error
    return {
        "id": letter.id,
        "source": rendering.escaped(letter.source, 60) or "?",
        "reason": rendering.escaped(letter.reason, 40) or "?",
        "room": letter.origin.room,
        "seq": letter.origin.seq,
        "shard": letter.origin.shard,
        "stream_id": rendering.escaped(letter.origin.stream_id or ""),
        "key": rendering.escaped(letter.origin.key or ""),
        "first_at": letter.first_at,
        "state": letter.state.value,
        "attempts": letter.attempts,
        "failures": letter.failures,
        "last_at": letter.last_at,
        "next_at": letter.next_at,
        "error": rendering.escaped(error, 200),
        "whole_error": rendering.escaped(letter.error, 2_000),
        "last_error": rendering.escaped(letter.last_error or "", 2_000),
        "problem": rendering.escaped(letter.problem or ""),
        "hopeless": letter.hopeless or "",
        "payload_bytes": letter.payload_bytes,
    }


def payload_of(letter: DeadLetter, *, show_words: bool) -> list[dict[str, Any]]:
    """The payload value by value; bytes that are not text as hexadecimal digits."""
    lines: list[dict[str, Any]] = [
        {"name": line.name, "text": line.text, "bytes": line.bytes, "hex": ""}
        for line in rendering.payload_lines(letter, show_words=show_words)
    ]
    if show_words and len(lines) == 1 and lines[0]["name"] == "payload":
        lines[0]["hex"] = letter.payload[:HEX_BYTES].hex(" ", 2)
    return lines


def title_of(action: str) -> str:
    if action == dead_letter_jobs.DISCARD:
        return _("Discard dead letters")
    return _("Retry dead letters")


def outcome_text(outcome: Outcome) -> str:
    """What became of a dead letter, in words."""
    return {
        Outcome.DONE: _("done, the dead letter is gone"),
        Outcome.SENT: _("its task was sent again"),
        Outcome.WAITING: _("failed, will be retried later"),
        Outcome.PARKED: _("failed, stays here"),
        Outcome.GONE: _("was already gone"),
        Outcome.BUSY: _("somebody else is retrying it"),
        Outcome.EARLY: _("is not due yet"),
        Outcome.LOST: _("took too long, somebody else is retrying it"),
    }[outcome]
