"""What every page of the admin checks first: the right and the method."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from chat.audit import entries as audit
from chat.errors import ClientError
from chat.models import User

View = Callable[..., HttpResponseBase]


def page(*permissions: str) -> Callable[[View], View]:
    """A page to read, for holders of one of `permissions`; other methods are refused."""
    return lambda view: require_safe(_for_holders(permissions, view))


def reading_form(*permissions: str) -> Callable[[View], View]:
    """Like `page`, but a form may request it too, when what was chosen is too long for a URL."""
    return lambda view: require_http_methods(["GET", "HEAD", "POST"])(
        _for_holders(permissions, view)
    )


def post_only(*permissions: str) -> Callable[[View], View]:
    """The target of a form, for holders of one of `permissions`; a link to it does nothing."""
    return lambda view: require_POST(_for_holders(permissions, view))


def _for_holders(permissions: tuple[str, ...], view: View) -> View:
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not any(request.user.has_perm(permission) for permission in permissions):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return checked


def person(request: HttpRequest) -> User:
    """The person who asks; the site lets in only people who are signed in."""
    assert isinstance(request.user, User)
    return request.user


def reason_of(request: HttpRequest) -> tuple[str, str | None]:
    """The reason given in a form, and what is wrong with it, None for nothing."""
    given = request.POST.get("why", "")
    try:
        return audit.check_reason(given, needed=True), None
    except ClientError as refused:
        return given.strip(), {
            "empty": _("Give a reason: it stays on record."),
            "too_large": _("The reason can have at most 500 characters."),
        }.get(refused.code, _("The reason contains characters that cannot be shown."))


def render(
    request: HttpRequest, template: str, title: Any, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A page in the frame of the admin."""
    return TemplateResponse(
        request,
        f"admin/veche/{template}.html",
        {**admin.site.each_context(request), "title": title, **context},
        status=status,
    )


def render_part(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A part of a page, which the page requests by itself."""
    return TemplateResponse(request, f"admin/veche/{template}.html", context, status=status)
