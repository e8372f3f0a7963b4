"""Sessions and tokens of a person, for administrators: what gives access, and how to end it."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.accounts import sessions, tokens
from chat.admin.kit.guards import page, post_only, reason_of, render
from chat.admin.kit.records import acting
from chat.admin.moderation.people import may_end_sessions
from chat.audit.permissions import Act
from chat.models import AuditEntry, User

MAX_ID_DIGITS = 18  # any number of so many digits fits into a bigint


@page("chat.deactivate_people")
def person_sessions(request: HttpRequest, id: int) -> HttpResponse:
    person = _person(request, id)
    found = sessions.sessions_of(person.pk)
    return render(
        request,
        "person_sessions",
        _("Sessions and tokens"),
        {
            "person": person,
            "sessions": found,
            "current": request.session.session_key,
            "tokens": tokens.shown_tokens(person.pk),
            "now": timezone.now(),
        },
    )


@post_only("chat.deactivate_people")
def end_sessions(request: HttpRequest, id: int) -> HttpResponse:
    """Ends the chosen sessions, or all of them and all tokens too.

    Ending a session that has already ended changes nothing.
    """
    person = _person(request, id)
    why, problem = reason_of(request)
    if problem is not None:
        messages.error(request, problem)
        return redirect("admin:person_sessions", id=id)
    chosen = set(request.POST.getlist("sessions"))
    ended = [
        session
        for session in sessions.sessions_of(person.pk)
        if "all" in request.POST or str(session.pk) in chosen
    ]
    if not ended and not ("all" in request.POST and tokens.live_tokens(person.pk).exists()):
        messages.info(request, _("No session was selected, or it has already ended."))
        return redirect("admin:person_sessions", id=id)
    with acting(
        request,
        Act.PERSON_SESSIONS,
        AuditEntry.TargetKind.PERSON,
        str(person.pk),
        user=person,
        reason=why,
        before={"sessions": len(ended)},
    ):
        if "all" in request.POST:
            sessions.end_all(person)
        else:
            sessions.end(ended)
    messages.success(request, _("Ended: %s. Their connections close within seconds.") % len(ended))
    return redirect("admin:person_sessions", id=id)


@post_only("chat.deactivate_people")
def revoke_tokens(request: HttpRequest, id: int) -> HttpResponse:
    """Revokes the chosen tokens, or all; a token already revoked is left alone."""
    person = _person(request, id)
    why, problem = reason_of(request)
    if problem is not None:
        messages.error(request, problem)
        return redirect("admin:person_sessions", id=id)
    asked = {int(text) for text in request.POST.getlist("tokens") if _is_id(text)}
    chosen = [
        row.pk for row in tokens.shown_tokens(person.pk) if "all" in request.POST or row.pk in asked
    ]
    if not chosen:
        messages.info(request, _("No token was selected, or it is already revoked."))
        return redirect("admin:person_sessions", id=id)
    with acting(
        request,
        Act.TOKEN_REVOKE,
        AuditEntry.TargetKind.PERSON,
        str(person.pk),
        user=person,
        reason=why,
        before={"tokens": chosen},
    ):
        tokens.revoke_some(person.pk, chosen)
    messages.success(
        request, _("Revoked: %s. Their connections close within seconds.") % len(chosen)
    )
    return redirect("admin:person_sessions", id=id)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_ID_DIGITS


def _person(request: HttpRequest, id: int) -> User:
    person = User.objects.filter(pk=id).first()
    if person is None:
        raise Http404
    if not may_end_sessions(request, person):
        raise PermissionDenied
    return person
