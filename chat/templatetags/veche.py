"""Formats numbers, ages and the names of things for the admin's pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.dead_letters import rendering
from chat.hub.announcing import WebProcess

register = template.Library()

EVENT_NAMES = {
    "message.posted": gettext_lazy("posted"),
    "reply.posted": gettext_lazy("replied in a thread"),
    "message.edited": gettext_lazy("edited"),
    "message.deleted": gettext_lazy("deleted"),
    "message.restored": gettext_lazy("restored"),
    "reaction.added": gettext_lazy("reaction added"),
    "reaction.removed": gettext_lazy("reaction removed"),
    "event.quarantined": gettext_lazy("could not be stored, see the dead letters"),
}


@register.filter
def event_name(kind: str) -> Any:
    """What happened, in words."""
    return EVENT_NAMES.get(kind, kind)


@register.filter
def grouped(number: Any) -> str:
    """A number with its thousands separated; a dash if it is unknown."""
    if number is None or number == "":
        return "–"
    places = 1 if isinstance(number, float) and number < 10 else 0
    return str(number_format(number, decimal_pos=places, force_grouping=True))


@register.filter
def age(moment: datetime | None) -> str:
    """How long ago, in the largest unit that fits: 12 s, 5 min, 3 h, 4 d."""
    if moment is None:
        return "–"
    return span((datetime.now(UTC) - moment).total_seconds())


@register.filter
def span(seconds: float | None) -> str:
    """A length of time, written like `age`."""
    if seconds is None:
        return "–"
    whole = max(int(seconds), 0)
    if whole < 90:
        return _("%(n)s s") % {"n": whole}
    if whole < 90 * 60:
        return _("%(n)s min") % {"n": whole // 60}
    if whole < 48 * 3600:
        return _("%(n)s h") % {"n": whole // 3600}
    return _("%(n)s d") % {"n": whole // 86_400}


@register.filter
def visible(text: str) -> str:
    """Text of unknown origin with everything that does not print as itself written out."""
    return rendering.escaped(text, 500)


@register.filter
def total(numbers: dict[str, int]) -> int:
    """The sum of named numbers."""
    return sum(numbers.values())


@register.filter
def sockets(processes: list[WebProcess] | None) -> str:
    """The connections of all web processes; a dash if they are unknown."""
    if processes is None:
        return grouped(None)
    return grouped(sum(process.sockets for process in processes))


@register.filter
def named_values(values: dict[str, Any]) -> str:
    """The values of a record, each with its name, one after the other."""
    return visible(", ".join(f"{name}: {value}" for name, value in values.items()))
