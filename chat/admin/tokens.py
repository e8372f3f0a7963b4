"""API tokens: whose they are and when they were used; never what they are."""

from __future__ import annotations

from chat.admin.read_only import ReadOnly
from chat.permissions import LOOK_AT_TOKENS


class ApiTokenAdmin(ReadOnly):
    view_permissions = LOOK_AT_TOKENS
    list_display = ("prefix", "name", "user", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    fields = list_display
    search_fields = ("prefix", "user__username")
