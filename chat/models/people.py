"""People and the tokens of their programs."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from chat.names import usernames


class User(AbstractUser):
    """A person. `username` is what others mention, `display_name` is what they read."""

    display_name = models.CharField(_("display name"), max_length=80, blank=True)
    muted_until = models.DateTimeField(
        _("muted until"),
        null=True,
        blank=True,
        help_text=_("May write nothing in any room until then."),
    )
    deactivated_at = models.DateTimeField(
        _("deactivated at"),
        null=True,
        blank=True,
        help_text=_("Since when “active” is off; empty while it is on."),
    )
    # Kept by `chat.accounts.shown_names`, so that code that shows a name knows whether it is one
    # person's alone.
    name_skeletons = ArrayField(
        models.TextField(),
        null=True,
        editable=False,
        help_text="What the shown name has in common with all that look like it; null: not known.",
    )
    username_skeletons = ArrayField(models.TextField(), null=True, editable=False)
    name_is_shared = models.BooleanField(
        db_default=False,
        editable=False,
        help_text="Somebody else's shown name or user name looks like the shown name.",
    )
    sessions_ended_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Sessions from before are over, whatever else is changed later.",
    )

    class Meta(AbstractUser.Meta):
        permissions: ClassVar = [
            (
                "moderate_people",
                "Can mute, remove and ban people in all rooms, and mute everywhere",
            ),
            ("deactivate_people", "Can deactivate and reactivate people"),
        ]
        indexes: ClassVar = [
            # The few people whom the room log has to be told about (`chat.restrictions`).
            models.Index(
                fields=["muted_until"], name="muted_people", condition=~models.Q(muted_until=None)
            ),
            GinIndex(fields=["name_skeletons"], name="people_by_name_skeleton"),
            GinIndex(fields=["username_skeletons"], name="people_by_username_skeleton"),
            models.Index(
                fields=["deactivated_at"],
                name="deactivated_people",
                condition=~models.Q(deactivated_at=None),
            ),
        ]

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """The form in which sign-in looks up a name, whoever typed it."""
        return usernames.normalise(username)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django's own hash depends on the password alone. It stays as it is for people who were
        # never shut out, so that introducing this signed nobody out. Private to Django, because
        # `get_session_auth_hash` does not make those of former secret keys. No upstream issue
        # known. If it is renamed, ending a person's sessions ends none.
        made: str = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]
        if self.sessions_ended_at is None:
            return made
        ended = self.sessions_ended_at.isoformat()
        return salted_hmac(made, ended, secret=secret, algorithm="sha256").hexdigest()

    @property
    def shown_name(self) -> str:
        """The display name, or the user name if the person gave none."""
        return self.display_name or self.username


class ApiToken(models.Model):
    """A program's bearer token. Only its SHA-256 is kept, so a stolen database opens nothing."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="api_tokens", verbose_name=_("user")
    )
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(
        _("beginning"),
        max_length=12,
        help_text=_("First characters of the token, to recognise it by."),
    )
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)
    expires_at = models.DateTimeField(
        _("expires at"), null=True, blank=True, help_text=_("Empty: it does not.")
    )
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    # The database default is for tokens from before scopes existed: they go on working.
    scopes = models.CharField(
        _("scopes"),
        max_length=80,
        db_default="read write moderate",
        help_text=_("Names of `chat.protocol.scopes.Scope`, separated by spaces."),
    )

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user_id}"
