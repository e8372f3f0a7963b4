"""What sign-up asks beyond allauth's own fields, and which of it can be changed later.

Separate from `chat.accounts.forms`, because allauth imports this module while defining its forms.
"""

from __future__ import annotations

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.models import User
from chat.names.display_names import check_display_name
from chat.names.labels import MAX_NAME_CHARACTERS


class DisplayNameForm(forms.Form):
    """Base of allauth's sign-up form (ACCOUNT_SIGNUP_FORM_CLASS)."""

    display_name = forms.CharField(
        label=_("Your name"),
        required=False,
        max_length=MAX_NAME_CHARACTERS,
        help_text=_("How others see you. Without it they see your user name."),
        widget=forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"}),
    )

    def clean_display_name(self) -> str:
        text: str = self.cleaned_data["display_name"]
        if not text or text == self.initial.get("display_name"):
            return text  # a name an administrator gave, or an older rule allowed, may stay
        return check_display_name(text)

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth with the new account."""
        self.give_name(user)

    def give_name(self, user: User) -> None:
        """Stores the name that was entered, which may be empty."""
        user.display_name = self.cleaned_data["display_name"]
        user.save(update_fields=["display_name"])
