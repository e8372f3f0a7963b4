"""People and the tokens of their programs."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person. `username` is what others mention, `display_name` is what they read."""

    display_name = models.CharField(max_length=80, blank=True)

    @property
    def shown_name(self) -> str:
        """The display name, or the user name of somebody who gave none."""
        return self.display_name or self.username


class ApiToken(models.Model):
    """A program's bearer token. Only its SHA-256 is kept, so a stolen database opens nothing."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(
        max_length=12, help_text="First characters of the token, to recognise it by."
    )
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user_id}"
