"""The Django admin of the chat: people can be edited, everything from the log only looked at.

Rooms, members and messages are projections of the log, so changing them here would be undone or,
worse, contradict it; what moderators do are actions, with pages of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.models import ApiToken, Membership, Message, Room, RoomEvent, User

if TYPE_CHECKING:  # generic only for the type checker
    _ModelAdmin = admin.ModelAdmin[Any]
    _UserAdmin = UserAdmin[User]
else:
    _ModelAdmin, _UserAdmin = admin.ModelAdmin, UserAdmin

# One door for all: its limits, and later its second factor, hold for staff too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = admin.site.site_title = "Veche"


class ReadOnly(_ModelAdmin):
    """Rows can be found and looked at."""

    # Counting a large table takes longer than all the rest of the page.
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class PersonAdmin(_UserAdmin):
    list_display = ("username", "display_name", "email", "is_active", "is_staff", "last_login")
    search_fields = ("username", "display_name", "email")
    fieldsets = (
        (None, {"fields": ("username", "display_name", "email", "password")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # their messages stay; deactivate them instead


@admin.register(Room)
class RoomAdmin(ReadOnly):
    list_display = ("slug", "name", "kind", "stored_seq", "stored_n", "archived_at", "created_at")
    list_filter = ("kind",)
    search_fields = ("slug", "name")


@admin.register(Membership)
class MembershipAdmin(ReadOnly):
    list_display = ("room", "user", "role", "muted_until", "joined_at")
    list_select_related = ("room", "user")
    search_fields = ("room__slug", "user__username")


@admin.register(Message)
class MessageAdmin(ReadOnly):
    """Where messages stand; their text is for the people of the room."""

    list_display = ("room", "seq", "n", "author", "at", "edited_at", "deleted_at")
    list_select_related = ("room", "author")
    fields = ("room", "seq", "n", "author", "at", "edited_at", "deleted_at", "deleted_by")
    search_fields = ("=room__slug",)


@admin.register(RoomEvent)
class RoomEventAdmin(ReadOnly):
    list_display = ("room", "seq", "n", "epoch", "type", "actor", "at")
    list_select_related = ("room", "actor")
    fields = ("shard", "room", "seq", "n", "epoch", "type", "key", "actor", "at")
    search_fields = ("=room__slug",)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    list_display = ("prefix", "name", "user", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("prefix", "user__username")
