"""Moderators' acts in the admin: each is previewed first, then done and put on record.

One page serves all acts, on one target or on many. A form names the act and the targets; the page
says what will happen to each target and asks for the reason. Then each is done through
`chat.actions`, and its outcome is shown. The form carries one idempotency key, from which the keys
of all targets are derived: sent twice, it does everything once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from asgiref.sync import async_to_sync
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from chat.actions.recorded_act import Options
from chat.actions.rooms import derived_key
from chat.admin.kit.guards import post_only, reason_of, render
from chat.admin.kit.records import by
from chat.admin.kit.room_lookup import is_id
from chat.admin.moderation.act_effects import effects_of
from chat.admin.moderation.act_targets import FIELDS, MAX_TARGETS, ShownTarget, targets_of
from chat.admin.moderation.offered_acts import ACTS, value_of
from chat.audit.entries import Actor, Result
from chat.audit.permissions import STAFF, Act
from chat.errors import ClientError


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one target."""

    target: ShownTarget
    result: str  # of `Result`, or "refused" or "unknown"
    says: str = ""
    seq: int | None = None


@post_only(*{STAFF[each] for each in ACTS})
def moderate(request: HttpRequest) -> HttpResponse:
    """The preview of an act; with `confirmed`, the act itself and how it ended for each target."""
    act = action_of(request)
    offered = ACTS[act]
    confirmed = "confirmed" in request.POST
    why, problem = reason_of(request)
    is_preview = not confirmed or problem is not None
    targets = targets_of(request, offered.kind, with_texts=is_preview)
    back = back_of(request)
    if not targets:
        messages.warning(request, _("Nothing was selected, or it no longer exists."))
        return redirect(back)
    context = {
        "action": act,
        "offered": offered,
        "targets": targets,
        "field": FIELDS[offered.kind],
        "back": back,
        "report": request.POST.get("report", ""),
        "private": request.POST.get("private", ""),
        "title_action": offered.label,
    }
    if is_preview:
        effects = effects_of(act, [target.ids for target in targets if target.open])
        return render(
            request,
            "act",
            offered.label,
            {
                **context,
                "totals": effects.totals,
                "rows": [
                    (one, effects.problems.get(one.ids), effects.warnings.get(one.ids))
                    for one in targets
                ],
                "hidden": not all(target.open for target in targets),
                "why": why,
                "problem": problem if confirmed else None,
                "chosen_value": request.POST.get("value", ""),
                "key": request.POST.get("key") or uuid7(),
                "max_targets": MAX_TARGETS,
            },
        )
    ended = carry_out(
        by(request),
        act,
        targets,
        value_of(request, offered),
        why=why,
        key=request.POST.get("key", ""),
        report=report_of(request),
    )
    return render(request, "acted", offered.label, {**context, "ended": ended})


def carry_out(
    who: Actor,
    act: Act,
    targets: Sequence[ShownTarget],
    value: Any,
    *,
    why: str,
    key: str,
    report: int | None = None,
) -> list[Ended]:
    """Does the act to one target after another; a refusal of one does not stop the others.

    Raises: BadRequest when `key` is not a valid key.
    """
    try:
        keys = [str(derived_key(UUID(key), f"{act} {one.given}")) for one in targets]
    except ValueError as error:
        raise BadRequest("The form is incomplete.") from error
    batch = key if len(targets) > 1 else None

    async def one_after_the_other() -> list[Ended]:
        ended = []
        for target, own_key in zip(targets, keys, strict=True):
            options = Options(reason=why, key=own_key, report=report, batch=batch)
            ended.append(await _do(who, act, target, value, options))
        return ended

    return async_to_sync(one_after_the_other)()


async def _do(who: Actor, act: Act, target: ShownTarget, value: Any, options: Options) -> Ended:
    try:
        outcome = await ACTS[act].call(who, target.ids, value, options)
    except ClientError as refused:
        unknown = refused.code == "unavailable"
        return Ended(
            target=target,
            result="unknown" if unknown else Result.REFUSED.value,
            says=_(
                "The log or PostgreSQL is unreachable. Send the form again: nothing is done twice."
            )
            if unknown
            else refusal_text(refused),
        )
    return Ended(target=target, result=outcome.result.value, seq=outcome.seq)


def refusal_text(refused: ClientError) -> str:
    """Why something was refused, in the reader's language."""
    return {
        "not_found": _("It does not exist."),
        "forbidden": _("Not allowed: %s") % refused.message,
        "not_member": _("They are not in the room."),
        "archived": _("The room is archived."),
        "key_conflict": _("This form was used for something else. Open it again."),
    }.get(refused.code, refused.message)


def action_of(request: HttpRequest) -> Act:
    """The act that a form names. Raises: BadRequest; PermissionDenied."""
    try:
        act = Act(request.POST.get("action", ""))
    except ValueError as error:
        raise BadRequest("There is no such act.") from error
    if act not in ACTS:
        raise BadRequest("There is no such act.")
    if not request.user.has_perm(STAFF[act]):
        raise PermissionDenied
    return act


def report_of(request: HttpRequest) -> int | None:
    given = request.POST.get("report", "")
    return int(given) if is_id(given) else None


def back_of(request: HttpRequest) -> str:
    """Where the person came from, within this site."""
    given = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(given, {request.get_host()}, request.is_secure())
    return given if safe and given.startswith("/") else "/admin/"
