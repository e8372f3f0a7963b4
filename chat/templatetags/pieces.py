"""The pieces that pages of the admin are made of; docs/admin.md says which to use when.

A piece has one look, given by its class in static/chat/admin/admin.css. A piece of several tags is
a template below templates/admin/veche/pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

PIECES = "admin/veche/pieces"


@register.simple_tag
def tag(text: Any, level: str = "", *, long: bool = False) -> SafeString:
    """A word in a pill; `level` is "good", "warning", "danger" or none. `long`: a sentence."""
    classes = "ad-tag ad-tag--long" if long else "ad-tag"
    if level:
        classes += f" ad-tag--{level}"
    return format_html('<span class="{}">{}</span>', classes, text)


@register.simple_tag
def note(text: Any, level: str = "") -> SafeString:
    """What is to be read before the rest: a paragraph on a coloured background."""
    classes = f"ad-note ad-note--{level}" if level else "ad-note"
    return format_html('<p class="{}">{}</p>', classes, text)


@register.simple_tag
def alert(text: Any, level: str = "danger") -> SafeString:
    """A note that screen readers announce at once."""
    return format_html('<p class="ad-note ad-note--{}" role="alert">{}</p>', level, text)


@register.simple_tag
def written(text: Any, look: str = "") -> SafeString:
    """What somebody wrote, line breaks kept; `look`: "small", "whole", "before" or "after"."""
    classes = f"ad-text ad-text--{look}" if look else "ad-text"
    return format_html('<div class="{}" dir="auto">{}</div>', classes, text)


@register.inclusion_tag(f"{PIECES}/figure.html")
def figure(title: str, value: Any, *says: Any) -> dict[str, Any]:
    """A card with one number, and a line below it that says more."""
    return {"title": title, "value": value, "says": " ".join(str(word) for word in says)}


@register.inclusion_tag(f"{PIECES}/field.html")
def field(
    label: str,
    name: str,
    value: Any = "",
    *,
    maxlength: int = 150,
    hint: str = "",
    wide: bool = False,
    required: bool = False,
    options: Iterable[str] = (),
) -> dict[str, Any]:
    """One line to write into, below its label. `options` are suggestions."""
    return {
        "label": label,
        "name": name,
        "value": value,
        "maxlength": maxlength,
        "hint": hint,
        "wide": wide,
        "required": required,
        "options": options,
    }


@register.inclusion_tag(f"{PIECES}/search_field.html")
def search_field(label: str, value: str, *, hint: str = "") -> dict[str, str]:
    """The field for words that narrow a list."""
    return {"label": label, "value": value, "hint": hint}


@register.inclusion_tag(f"{PIECES}/moment_field.html")
def moment_field(label: str, name: str, value: Any) -> dict[str, Any]:
    """A date and a time of day, in UTC."""
    return {"label": label, "name": name, "value": value}


@register.inclusion_tag(f"{PIECES}/text_field.html")
def text_field(label: str, name: str, value: Any, *, required: bool = False) -> dict[str, Any]:
    """Several lines to write into, such as a reason."""
    return {"label": label, "name": name, "value": value, "required": required}


@register.inclusion_tag(f"{PIECES}/choice_field.html")
def choice_field(
    label: str,
    name: str,
    choices: Iterable[Any],
    chosen: Any = "",
    *,
    all: bool = False,
    only_for: str = "",
) -> dict[str, Any]:
    """One of `choices`: words, or pairs of a value and its words. `all`: adds the choice "all".

    `only_for`: shown only where another field has one of these values (data-for in admin.js).
    """
    return {
        "label": label,
        "name": name,
        "choices": [(one, one) if isinstance(one, str) else one for one in choices],
        "chosen": chosen,
        "all": all,
        "only_for": only_for,
    }


@register.simple_tag
def option(value: Any, text: Any, chosen: Any) -> SafeString:
    """One choice of a select, the selected one if `chosen` is its value."""
    selected = " selected" if str(value) == str(chosen) else ""
    return format_html('<option value="{}"{}>{}</option>', value, selected, text)


@register.inclusion_tag(f"{PIECES}/check_all.html")
def check_all(name: str) -> dict[str, str]:
    """The head of a column of check boxes: ticks all boxes called `name`."""
    return {"name": name}


@register.inclusion_tag(f"{PIECES}/check_one.html")
def check_one(name: str, value: Any, label: Any) -> dict[str, Any]:
    """The check box of one row, in a cell of its own."""
    return {"name": name, "value": value, "label": label}


@register.inclusion_tag(f"{PIECES}/act_form.html")
def act_form(
    acts: Iterable[tuple[str, str]],
    field: str,
    target: Any,
    back: str,
    *,
    label: str = "",
    private: bool = False,
) -> dict[str, Any]:
    """A button for each of `acts` on one `target`; small ones below a `label`, if there is one.

    `back`: the page to return to. `private`: the target may be in a private room.
    """
    return {
        "acts": acts,
        "field": field,
        "target": target,
        "back": back,
        "label": label,
        "private": private,
    }


@register.inclusion_tag(f"{PIECES}/bulk_act.html")
def bulk_act(acts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Chooses one of `acts` for the rows that are ticked."""
    return {"acts": acts}


@register.filter
def member(room: int, person: int) -> str:
    """A person in a room, as forms name them."""
    return f"{room}:{person}"
