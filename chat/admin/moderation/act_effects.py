"""What an act would touch and what speaks against it, in words, for its preview page."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from django.utils.translation import gettext_lazy

from chat.actions.preview import TargetIds, preview
from chat.audit.permissions import Act

COUNTED = {
    "rooms": gettext_lazy("Rooms"),
    "members": gettext_lazy("Members"),
    "messages": gettext_lazy("Messages"),
    "reactions": gettext_lazy("Reactions"),
    "sessions": gettext_lazy("Sessions"),
    "tokens": gettext_lazy("API tokens"),
}
PROBLEMS = {
    "not_found": gettext_lazy("is not there"),
    "unchanged": gettext_lazy("is already so"),
    "direct": gettext_lazy("not in a direct conversation"),
    "last_owner": gettext_lazy("is the room's only owner and has to remain so"),
}
WARNINGS = {
    "last_owner": gettext_lazy("is the only owner of a room; the next in line becomes its owner")
}


class Effects(msgspec.Struct, frozen=True):
    """`totals`: all that is touched, as (name, number). The other fields are by target."""

    totals: list[tuple[Any, int]]
    problems: dict[TargetIds, Any]
    warnings: dict[TargetIds, Any]


def effects_of(act: Act, targets: Collection[TargetIds]) -> Effects:
    """What `act` would do to at most 200 targets, according to PostgreSQL."""
    found = preview(act, list(targets))
    return Effects(
        totals=[
            (label, found.totals[name]) for name, label in COUNTED.items() if name in found.totals
        ],
        problems={one.target: PROBLEMS[one.problem] for one in found.effects if one.problem},
        warnings={one.target: WARNINGS[one.warning] for one in found.effects if one.warning},
    )
