"""Rooms: finding them, looking at them, archiving them, slow mode; and who is in them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from chat.admin.kit.read_only import ReadOnly
from chat.admin.moderation.history_filter import may_read
from chat.admin.moderation.offered_acts import choices_for
from chat.audit.permissions import LOOK_AT_ROOMS, STAFF, Act
from chat.models import AuditEntry, Room

# Members that a room's page shows; in a larger room, search for a person.
MAX_MEMBERS = 200
MAX_BANS = 50


class RoomAdmin(ReadOnly):
    view_permissions = LOOK_AT_ROOMS
    list_display = (
        "slug",
        "name",
        "kind",
        "stored_seq",
        "stored_n",
        "slow_mode_seconds",
        "archived_at",
        "created_at",
    )
    list_filter = ("kind",)
    search_fields = ("slug", "name")
    ordering = ("-pk",)
    fields = (
        "slug",
        "name",
        "topic",
        "kind",
        "created_by",
        "created_at",
        "archived_at",
        "slow_mode_seconds",
        "stored_seq",
        "stored_n",
    )
    change_form_template = "admin/veche/room.html"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A private room's topic is hidden like messages: it is people's own text."""
        hidden = obj is not None and not may_read(request, obj)
        return [name for name in self.fields if not (hidden and name == "topic")]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        room = self.get_object(request, object_id)
        context: dict[str, Any] = dict(extra_context or {})
        if isinstance(room, Room) and self.has_view_permission(request, room):
            readable = may_read(request, room)
            members = room.memberships.select_related("user").order_by("joined_at", "pk")
            bans = room.bans.select_related("user", "banned_by").order_by("-banned_at")
            if not readable:  # only staff who may read a private room see who is in it
                members, bans = members.none(), bans.none()
            context |= {
                "members": members[:MAX_MEMBERS],
                "more_members": members[MAX_MEMBERS : MAX_MEMBERS + 1].exists(),
                "bans": bans[:MAX_BANS],
                "may_lift_bans": request.user.has_perm(STAFF[Act.MEMBER_UNBAN]),
                "readable": readable,
                "room_actions": choices_for(
                    request.user,
                    AuditEntry.TargetKind.ROOM,
                    {Act.ROOM_ARCHIVE if room.archived_at else Act.ROOM_UNARCHIVE},
                ),
                "member_actions": choices_for(request.user, AuditEntry.TargetKind.MEMBER),
                "max_members": MAX_MEMBERS,
                "subtitle": _("Room"),
            }
        return super().change_view(request, object_id, form_url, context)
