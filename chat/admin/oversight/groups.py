"""The groups of staff, made by migrations: shown here, given to people on their own pages."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _

from chat.admin.kit.read_only import ReadOnly
from chat.audit.permissions import LOOK_AT_GROUPS


class GroupAdmin(ReadOnly):
    """What each group may do is fixed (`chat.audit.permissions.GROUPS`)."""

    view_permissions = LOOK_AT_GROUPS
    list_display = ("name", "rights")
    fields = ("name", "rights")
    search_fields = ("name",)

    def rights(self, group: Group) -> Any:
        return ", ".join(sorted(group.permissions.values_list("codename", flat=True)))

    rights.short_description = _("Rights")  # type: ignore[attr-defined]
