"""The link to the analytics, for staff who may see them."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from chat.accounts.staff_access import SEES_ANALYTICS


def analytics_url(request: HttpRequest) -> str | None:
    """Where the analytics are; None for people who may not see them, or in an installation
    without analytics."""
    if not request.user.has_perm(SEES_ANALYTICS):
        return None
    for name in ("analytics:index", "analytics"):
        try:
            return reverse(name)
        except NoReverseMatch:
            continue
    return None
