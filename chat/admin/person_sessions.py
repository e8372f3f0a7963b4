"""The sessions of a person, for administrators: where they are signed in, and ending that."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from chat import sessions
from chat.admin.doors import act, page, reason_of, render
from chat.admin.people import may_end_sessions
from chat.admin.records import acting
from chat.models import AuditEntry, User
from chat.permissions import Action


@page("chat.deactivate_people")
def person_sessions(request: HttpRequest, id: int) -> HttpResponse:
    person = _person(request, id)
    found = sessions.sessions_of(person.pk)
    return render(
        request,
        "person_sessions",
        _("Sessions"),
        {"person": person, "sessions": found, "current": request.session.session_key},
    )


@act("chat.deactivate_people")
def end_sessions(request: HttpRequest, id: int) -> HttpResponse:
    """Ends the chosen sessions, or all; ending one that has ended changes nothing."""
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
    if not ended:
        messages.info(request, _("No session was chosen, or it has ended already."))
        return redirect("admin:person_sessions", id=id)
    with acting(
        request,
        Action.PERSON_SESSIONS,
        AuditEntry.TargetKind.PERSON,
        str(person.pk),
        user=person,
        reason=why,
        before={"sessions": len(ended)},
    ):
        sessions.end(ended)
    messages.success(request, _("Ended: %s. Their sockets close within seconds.") % len(ended))
    return redirect("admin:person_sessions", id=id)


def _person(request: HttpRequest, id: int) -> User:
    person = User.objects.filter(pk=id).first()
    if person is None:
        raise Http404
    if not may_end_sessions(request, person):
        raise PermissionDenied
    return person
