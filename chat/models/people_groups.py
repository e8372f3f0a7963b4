"""Groups of people that a message can mention with one name, such as `@backend`."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.people import User


class PeopleGroup(models.Model):
    """Staff make and change groups (`chat.actions.people_groups`); a group gives no rights."""

    handle = models.CharField(
        _("handle"), max_length=40, unique=True, help_text=_("What people write after the @.")
    )
    name = models.CharField(_("name"), max_length=80)
    skeletons = ArrayField(
        models.TextField(),
        editable=False,
        help_text="What the handle has in common with all that look like it.",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("group of people")
        verbose_name_plural = _("groups of people")
        ordering: ClassVar = ["handle"]

    def __str__(self) -> str:
        return self.handle


class PeopleGroupMember(models.Model):
    group = models.ForeignKey(
        PeopleGroup, on_delete=models.CASCADE, related_name="members", db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="people_groups")

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "user"], name="one_place_in_a_people_group"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.group_id}"
