"""The admin site: who may come in, under which policy, and which pages there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

from allauth.account.decorators import secure_admin_login
from csp.decorators import csp_update
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.accounts.staff_access import lacks_second_factor, page_for_second_factor
from chat.admin.kit.analytics_link import analytics_url
from chat.admin.kit.base import AdminSite, without_inline_style
from chat.audit.permissions import LOOK_AT_GROUPS, LOOK_AT_PEOPLE, LOOK_AT_ROOMS, LOOK_AT_TOKENS

View = Callable[..., HttpResponseBase]

# The library that opens menus and remembers the theme evaluates expressions in attributes. Only
# these pages may do so, and only with code that came with them: see docs/decisions/0019.
POLICY = {"script-src": ["'unsafe-eval'"]}


@dataclass(frozen=True)
class SidebarPage:
    """A page in the sidebar. Its view requires one of `permissions`; (): being staff is enough."""

    title: Any
    icon: str
    url: str
    permissions: tuple[str, ...] = ()


PAGES: tuple[tuple[Any, tuple[SidebarPage, ...]], ...] = (
    (
        None,
        (SidebarPage(_("Overview"), "dashboard", "admin:index"),),
    ),
    (
        _("Moderation"),
        (
            SidebarPage(_("Reports"), "flag", "admin:reports", ("chat.resolve_reports",)),
            SidebarPage(_("History"), "history", "admin:history", ("chat.view_history",)),
            SidebarPage(_("People"), "group", "admin:chat_user_changelist", LOOK_AT_PEOPLE),
            SidebarPage(
                _("Groups of people"),
                "alternate_email",
                "admin:chat_peoplegroup_changelist",
                ("chat.manage_roles",),
            ),
            SidebarPage(_("Rooms"), "forum", "admin:chat_room_changelist", LOOK_AT_ROOMS),
        ),
    ),
    (
        _("Delivery"),
        (
            SidebarPage(_("Delivery"), "conveyor_belt", "admin:delivery", ("chat.view_delivery",)),
            SidebarPage(
                _("Dead letters"), "mail_off", "admin:dead_letters", ("chat.view_dead_letters",)
            ),
        ),
    ),
    (
        _("Oversight"),
        (
            SidebarPage(_("Audit log"), "fact_check", "admin:audit", ("chat.view_audit",)),
            SidebarPage(_("Groups"), "badge", "admin:auth_group_changelist", LOOK_AT_GROUPS),
            SidebarPage(_("API tokens"), "key", "admin:chat_apitoken_changelist", LOOK_AT_TOKENS),
        ),
    ),
)


class Site(AdminSite):
    """The admin site. Staff sign in through the same page as everybody, with the same limits."""

    site_header = site_title = "Veche"
    index_title = _("Overview")
    enable_nav_sidebar = True

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.login = secure_admin_login(super().login)  # type: ignore[method-assign]

    def get_urls(self) -> list[Any]:
        from chat.admin.site import routes

        return [*self._guarded(routes.ROUTES), *super().get_urls()]

    def _guarded(self, routes: tuple[tuple[str, View, str], ...]) -> Iterator[URLPattern]:
        for route, view, name in routes:
            yield path(route, self.admin_view(view), name=name)

    def admin_view(self, view: View, cacheable: bool = False) -> Any:
        """Guards every view: staff with a second factor only, under the admin's policy."""
        inner = csp_update(POLICY)(super().admin_view(view, cacheable))

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            check_no_nul(request)
            if self.has_permission(request) and lacks_second_factor(request):
                messages.warning(request, gettext("The admin requires two-factor authentication."))
                return redirect(page_for_second_factor(request))
            response: HttpResponseBase = inner(request, *args, **kwargs)
            if not cacheable:
                add_never_cache_headers(response)
            return response

        return guarded

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from chat.admin.site.start import overview

        return super().index(request, {**overview(request), **(extra_context or {})})

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Switches unfold's search over models off; the history's own copes with its size."""
        raise Http404

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Leads to everybody's page, which asks for the password and ends the other sessions."""
        return redirect("account_change_password")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return without_inline_style(
            {
                **super().each_context(request),
                "account_links": [
                    {"title": _("Two-factor authentication"), "link": reverse("mfa_index")},
                    {"title": _("Sessions"), "link": reverse("usersessions_list")},
                    {"title": _("Change password"), "link": reverse("account_change_password")},
                ],
            }
        )

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """The sidebar of django-unfold: groups of pages that this person may open."""
        groups = []
        for title, pages in PAGES:
            items = [
                {
                    "title": page.title,
                    "icon": page.icon,
                    "link": reverse(page.url),
                    "active": is_active(request, page),
                    "has_permission": True,
                }
                for page in pages
                if not page.permissions or any(map(request.user.has_perm, page.permissions))
            ]
            if items:
                groups.append({"title": title, "items": items, "separator": title is not None})
        analytics = analytics_url(request)
        if analytics is not None:
            groups[0]["items"].append(
                {
                    "title": _("Analytics"),
                    "icon": "monitoring",
                    "link": analytics,
                    "active": False,
                    "has_permission": True,
                }
            )
        return groups


def check_no_nul(request: HttpRequest) -> None:
    """Refuses NUL, which no PostgreSQL text can hold, for all pages at once. Raises: BadRequest."""
    given = [request.path, *request.GET, *request.POST]
    for fields in (request.GET, request.POST):
        given += [value for _name, values in fields.lists() for value in values]
    if any("\0" in text for text in given):
        raise BadRequest("NUL is not allowed.")


def is_active(request: HttpRequest, page: SidebarPage) -> bool:
    address = reverse(page.url)
    if page.url == "admin:index":
        return request.path == address
    return request.path.startswith(address)
