"""The basis of the admin's look: django-unfold's classes, used here and nowhere else.

With `django.contrib.admin`'s own `AdminSite`, `ModelAdmin` and forms instead, and without "unfold"
among the installed apps, the same pages appear in the plain admin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # generic, and typed, only for the type checker
    from django.contrib.admin import AdminSite
    from django.contrib.admin import ModelAdmin as _ModelAdmin
    from django.contrib.auth.forms import (
        AdminPasswordChangeForm,
        UserChangeForm,
        UserCreationForm,
    )

    ModelAdmin = _ModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
    from unfold.sites import UnfoldAdminSite as AdminSite

__all__ = [
    "AdminPasswordChangeForm",
    "AdminSite",
    "ModelAdmin",
    "UserChangeForm",
    "UserCreationForm",
]


def without_inline_style(context: dict[str, Any]) -> dict[str, Any]:
    """A page's context that keeps unfold from writing a style element, which the policy refuses.

    Our own style sheet has unfold's colours instead.
    """
    return {**context, "colors": None}
