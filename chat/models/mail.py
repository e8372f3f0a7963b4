"""Mail that waits to be sent."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class QueuedMail(models.Model):
    """A mail as it will be sent; the row is deleted after sending. See `chat.mail.queue`.

    Its text may hold a link that resets a password, so it is shown nowhere and is in no backup.
    Times are PostgreSQL's, because the processes that write and send may have different clocks.
    """

    recipient = models.CharField(
        max_length=320, help_text="Empty: for nobody; it is thrown away instead of being sent."
    )
    sender = models.CharField(max_length=320)
    subject = models.TextField()
    body = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    next_at = models.DateTimeField(db_default=Now(), help_text="Not sent before.")
    attempts = models.PositiveIntegerField(db_default=0)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["next_at"], name="mail_by_next_at")]

    def __str__(self) -> str:
        return f"mail {self.pk}"
