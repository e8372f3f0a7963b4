"""API tokens: whose they are and when they were used; never what they are."""

from __future__ import annotations

from chat.admin.read_only import ReadOnly


class ApiTokenAdmin(ReadOnly):
    view_permissions = ("chat.manage_roles", "chat.view_apitoken")
    list_display = ("prefix", "name", "user", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    fields = list_display
    search_fields = ("prefix", "user__username")
