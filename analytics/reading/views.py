"""The analytics page; its numbers come from the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analytics.host import NamedRoom, host
from analytics.reading.schemas import MAX_ID

API = "/api/v1/analytics/"


@dataclass(frozen=True)
class Card:
    """A chart's place on the page. `hidden`: the script shows it if it makes sense."""

    name: str
    title: str | Promise
    about: str | Promise
    size: str
    hidden: bool = False


CARDS = (
    Card("activity", _("Activity"), _("What happened in this period."), "wide"),
    Card("minutes", _("Last hour"), _("Messages in each minute, as they come."), "narrow"),
    Card("active", _("People and rooms"), _("Active ones, each counted once."), "half"),
    Card(
        "replies",
        _("Time to the first reply"),
        _("From a message to the first reply by somebody else."),
        "half",
    ),
    Card("hours", _("Hours of the week"), _("When messages are written."), "half"),
    Card("weeks", _("Coming and going"), _("New, returning and lost people by week."), "half"),
    Card(
        "newcomers",
        _("Who stays"),
        _("Of those who came in a week, the share that was active later."),
        "half",
    ),
    Card("people", _("People"), _("By the time in which they were active."), "half"),
    Card("top-rooms", _("Rooms"), _("By messages. Choose one to look into it."), "half"),
    Card(
        "words",
        _("Words"),
        _("Used by several people, in whole weeks; small words are left out."),
        "half",
        hidden=True,
    ),
    Card("emoji", _("Reactions"), _("By how often they were given."), "half"),
)


@require_safe
@never_cache
@login_required
async def index(request: HttpRequest) -> HttpResponse:
    """The numbers of all rooms for administrators, of their own rooms for owners.

    `?room=` names a room; one that this person may not see is 404, whether it exists or not.
    Administrators who still have to use a second factor are sent there first.
    Raises: PermissionDenied for people who own no room.
    """
    administrator = await host().is_administrator(request)
    room = await _room(request, request.GET.get("room"))
    if room is None and not administrator:
        first = await host().page_before_all_rooms(request)
        if first is not None:
            return redirect(first)
        owned = await host().rooms_owned_by(request)
        if not owned:
            raise PermissionDenied
        room = owned[0]
    page = {
        "api": API,
        "allRooms": administrator,
        "room": None if room is None else _shown(room),
        "signIn": f"{reverse('account_login')}?next={reverse('analytics')}",
    }
    return render(request, "analytics/index.html", {"page": page, "cards": CARDS})


async def _room(request: HttpRequest, asked: str | None) -> NamedRoom | None:
    if asked is None:
        return None
    if not (asked.isascii() and asked.isdecimal() and len(asked) <= len(str(MAX_ID))):
        raise Http404
    room = await host().room_for(request, int(asked))
    if room is None:
        raise Http404
    return room


def _shown(room: NamedRoom) -> dict[str, Any]:
    return {"id": room.id, "name": room.name, "kind": room.kind, "archived": room.archived}
