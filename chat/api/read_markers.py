"""How far I have read, set by hand."""

from __future__ import annotations

from django.http import HttpResponse
from ninja import Router

from chat.actions import read_markers
from chat.api import schemas
from chat.api.answers import answer
from chat.api.forms import breaks
from chat.api.requests import WRITES, SignedInRequest
from chat.broken_rules import Rule

router = Router(tags=["rooms"])


@router.put(
    "/read-markers",
    response={
        200: list[schemas.Marker],
        (400, 401, 403, 429, 503): schemas.Problem,
    },
    throttle=WRITES,
    openapi_extra=breaks(Rule.MARK_NOT_OF_THE_FUTURE),
)
async def set_by_hand(request: SignedInRequest, body: schemas.MarkersToSet) -> HttpResponse:
    """Set my markers in some rooms: forward (read) or back (unread). A repeat changes nothing.

    What I set later holds, and what I read before that does not undo it. The answer has the markers
    as they are now; rooms that I am not in are left out.
    """
    seqs = {marker.room: marker.seq for marker in body.markers}
    return answer(await read_markers.set_by_hand(request.auth.user_id, seqs, body.set_at_ms))
