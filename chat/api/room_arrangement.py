"""How I have arranged my list of rooms."""

from __future__ import annotations

from django.http import HttpResponse
from msgspec import convert
from ninja import Router

from chat.actions import room_arrangement
from chat.api import schemas
from chat.api.answers import answer
from chat.api.requests import READS, WRITES, SignedInRequest
from chat.protocol import Arrangement

router = Router(tags=["rooms"])

ERRORS = {(400, 401, 403, 409, 429, 503): schemas.Problem}


@router.get("/room-arrangement", response={200: schemas.Arrangement, **ERRORS}, throttle=READS)
async def arranged(request: SignedInRequest) -> HttpResponse:
    """My favourites, sections, order and closed conversations."""
    return answer(await room_arrangement.arranged(request.auth.user_id))


@router.put("/room-arrangement", response={200: schemas.Arrangement, **ERRORS}, throttle=WRITES)
async def arrange(request: SignedInRequest, body: schemas.ArrangementToSet) -> HttpResponse:
    """Replace my arrangement. `version` is the one that I have: if it is not the present one, the
    answer is 409, and I get it and make my change to that. The new version is 1 higher."""
    wanted = convert(body.model_dump(), Arrangement)
    return answer(await room_arrangement.arrange(request.auth.user_id, wanted))
