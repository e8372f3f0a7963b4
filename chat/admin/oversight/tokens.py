"""API tokens: whose they are, what they may do and when they were used; never their text.

They are revoked on the page of their owner's sessions, to which each token links.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.accounts import tokens
from chat.admin.kit.read_only import ReadOnly
from chat.admin.moderation.people import may_end_sessions
from chat.audit.permissions import LOOK_AT_TOKENS
from chat.models import ApiToken


class State(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, Any]]:
        return [("in_force", _("in force")), ("over", _("revoked or expired"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
        chosen: dict[str | None, Q] = {"in_force": tokens.in_force(), "over": ~tokens.in_force()}
        condition = chosen.get(self.value())
        return queryset if condition is None else queryset.filter(condition)


class ApiTokenAdmin(ReadOnly):
    view_permissions = LOOK_AT_TOKENS
    list_display = (
        "prefix",
        "name",
        "user",
        "scopes",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = (State,)
    list_select_related = ("user",)
    fields = (*list_display, "owners_sessions")
    readonly_fields = ("owners_sessions",)
    search_fields = ("prefix", "user__username")

    @admin.display(description=_("revoke"))
    def owners_sessions(self, token: ApiToken) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:person_sessions", args=[token.user_id]),
            gettext("Sessions and tokens"),
        )

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        """Shows the link only to people who may open its page."""
        leads_on = obj is not None and may_end_sessions(request, obj.user)
        return self.fields if leads_on else self.list_display
