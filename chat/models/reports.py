"""Reports: what members report about a message, and the outcome."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.models.people import User
from chat.models.rooms import Room

MAX_NOTE_CHARACTERS = 1_000


class Report(models.Model):
    """One person's report of one message. Changed by `chat.actions.reports` only.

    The message itself is not copied: it is at (room, seq), and its text is in the event log.
    """

    class Category(models.TextChoices):
        SPAM = "spam", _("Spam")
        HARASSMENT = "harassment", _("Harassment")
        HATE = "hate", _("Hatred or threats")
        PRIVATE_DATA = "private_data", _("Private data")
        ILLEGAL = "illegal", _("Illegal content")
        OTHER = "other", _("Something else")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ASSIGNED = "assigned", _("Assigned")
        RESOLVED = "resolved", _("Resolved")
        DISMISSED = "dismissed", _("Dismissed")

    # States in which somebody still has to act.
    WAITING: ClassVar = (State.OPEN, State.ASSIGNED)

    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="reports", db_index=False)
    seq = models.BigIntegerField(help_text="Where the reported message stands in the room.")
    author = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="reports_about",
        help_text="Who wrote the message; nobody for a message of the system.",
    )
    reporter = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="reports_made", db_index=False
    )
    category = models.CharField(max_length=16, choices=Category.choices)
    note = models.CharField(
        max_length=MAX_NOTE_CHARACTERS, blank=True, help_text="The reporter's own words."
    )
    created_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    assignee = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="reports_assigned",
        db_index=False,
        help_text="Who looks into it. Stays when the report is closed.",
    )
    assigned_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(
        max_length=40,
        blank=True,
        help_text="The action it was resolved with, as in `AuditEntry.action`; empty while it waits"
        " and when it was dismissed.",
    )
    answer = models.CharField(
        max_length=500, blank=True, help_text="What the reporter is told, beside the state."
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    seen_at = models.DateTimeField(
        null=True, blank=True, help_text="When the reporter read how it ended."
    )

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("resolve_reports", "Can work on reports of all rooms")]
        constraints: ClassVar = [
            # Reporting twice says nothing new, and would fill the queue.
            models.UniqueConstraint(
                fields=["room", "seq", "reporter"],
                condition=Q(state__in=["open", "assigned"]),
                name="one_waiting_report_per_person_and_message",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "assigned"], closed_at=None)
                | Q(state__in=["resolved", "dismissed"], closed_at__isnull=False),
                name="closed_reports_have_an_end",
            ),
            models.CheckConstraint(
                condition=~Q(state="assigned") | Q(assignee__isnull=False),
                name="assigned_reports_have_an_assignee",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "id"], name="report_queue"),
            models.Index(fields=["room", "seq"], name="report_by_message"),
            models.Index(fields=["reporter", "id"], name="report_by_reporter"),
            models.Index(
                fields=["assignee", "id"],
                name="report_by_assignee",
                condition=Q(state__in=["open", "assigned"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.room_id}:{self.seq} {self.state}"
