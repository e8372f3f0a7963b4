"""What the admin's look is built on: django-unfold's classes, used here and nowhere else.

With `django.contrib.admin`'s own `AdminSite`, `ModelAdmin` and forms in their place, and without
"unfold" among the installed apps, the same pages appear in the plain admin.
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
    """The context of a page, so that unfold writes no style element: the policy refuses them.

    Its colours are in our own style sheet instead.
    """
    return {**context, "colors": None}
