"""The audit log: what people with power over others did, to whom, why and from where.

Both tables are append-only: a trigger in PostgreSQL refuses UPDATE and DELETE from everybody. An
entry is written before the act and its outcome after it, so a failure in between leaves an entry
without an outcome, which `chat.audit.entries.complete` completes. See
docs/decisions/0018-an-act-is-on-record-before-it-is-done.md.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.models.people import User
from chat.models.reports import Report
from chat.models.rooms import Room


class AuditEntry(models.Model):
    """One act on one target. `before` and `after` hold positions, roles and times, but no texts.

    In a bulk act every target has an entry of its own; they share their `batch`.
    """

    class Channel(models.TextChoices):
        ADMIN = "admin", _("Admin pages")
        WEB = "web", _("Web page")
        API = "api", _("API token")
        SOCKET = "socket", _("WebSocket")
        COMMAND = "command", _("Command line")
        SYSTEM = "system", _("Veche itself")

    class TargetKind(models.TextChoices):
        MESSAGE = "message", _("Message")
        MEMBER = "member", _("Member of a room")
        PERSON = "person", _("Person")
        ROOM = "room", _("Room")
        REPORT = "report", _("Report")
        DEAD_LETTER = "dead_letter", _("Dead letter")
        SHARD = "shard", _("Shard")
        PEOPLE_GROUP = "people_group", _("Group of people")
        AUDIT = "audit", _("Audit log")

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="Nobody for what was done on the command line or by Veche itself.",
    )
    actor_name = models.CharField(
        max_length=150,
        help_text="Their user name at that time; on the command line that of the system.",
    )
    door = models.CharField(max_length=10, choices=Channel.choices)
    address = models.GenericIPAddressField(
        null=True, blank=True, help_text="Where the request came from, where there was one."
    )
    action = models.CharField(max_length=40, help_text="A name of `chat.audit.permissions.Act`.")
    target_kind = models.CharField(max_length=12, choices=TargetKind.choices)
    target_id = models.CharField(
        max_length=64,
        help_text="message: `<room>:<seq>`; member: `<room>:<user>`; else the id alone.",
    )
    room = models.ForeignKey(
        Room, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    seq = models.BigIntegerField(
        null=True, blank=True, help_text="Where the message stands that it is about."
    )
    user = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="Whom it was done to: the member, the person, the author of the message.",
    )
    report = models.ForeignKey(
        Report,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="audit_entries",
        help_text="The report that led to it.",
    )
    batch = models.UUIDField(null=True, blank=True, help_text="The same for all of a bulk act.")
    key = models.UUIDField(
        null=True,
        blank=True,
        help_text="Idempotency key; also that of the event in the room's log, if there is one.",
    )
    reason = models.CharField(max_length=500, blank=True)
    before = models.JSONField(
        null=True, blank=True, help_text="What is changed, as it was known to be before."
    )
    after = models.JSONField(null=True, blank=True, help_text="What was asked for.")
    search = models.GeneratedField(
        expression=SearchVector("reason", config="simple"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("view_audit", "Can read, search and export the audit log")]
        constraints: ClassVar = [
            # A repeated request finds the entry of the first one and does nothing again.
            models.UniqueConstraint(fields=["actor", "key"], name="one_audit_entry_per_key"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["at", "id"], name="audit_by_time"),
            models.Index(fields=["room", "id"], name="audit_by_room"),
            models.Index(fields=["user", "id"], name="audit_by_user"),
            models.Index(fields=["actor", "id"], name="audit_by_actor"),
            models.Index(fields=["action", "id"], name="audit_by_action"),
            models.Index(fields=["target_kind", "target_id"], name="audit_by_target"),
            models.Index(fields=["batch"], name="audit_by_batch", condition=~Q(batch=None)),
            GinIndex(fields=["search"], name="audit_search"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_kind} {self.target_id}"


class AuditOutcome(models.Model):
    """How an entry's act ended. An entry has at most one; without one the end is not known yet."""

    class Result(models.TextChoices):
        DONE = "done", _("Done")
        UNCHANGED = "unchanged", _("Nothing to change")
        REFUSED = "refused", _("Refused")
        NOT_DONE = "not_done", _("Not done")

    entry = models.OneToOneField(
        AuditEntry, on_delete=models.PROTECT, primary_key=True, related_name="outcome"
    )
    at = models.DateTimeField()
    result = models.CharField(max_length=10, choices=Result.choices)
    seq = models.BigIntegerField(
        null=True, blank=True, help_text="Where the event of the act stands in the room's log."
    )
    detail = models.CharField(
        max_length=200, blank=True, help_text="The error code of a refusal, or how many were done."
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.entry_id} {self.result}"
