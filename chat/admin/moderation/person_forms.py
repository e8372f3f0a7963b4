"""The forms of accounts: which user names an administrator may give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.adapter import get_adapter
from django import forms

from chat.admin.kit import base
from chat.models import User
from chat.names import usernames
from chat.names.display_names import check_display_name

if TYPE_CHECKING:  # generic only for the type checker
    _UserForm = forms.ModelForm[User]
    _CreationForm = base.UserCreationForm[User]
    _ChangeForm = base.UserChangeForm[User]
else:
    _UserForm = forms.ModelForm
    _CreationForm, _ChangeForm = base.UserCreationForm, base.UserChangeForm


class _NamedByTheRule(_UserForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "username" in self.fields:  # not read-only
            self.fields["username"].help_text = usernames.CHARACTERS

    def clean_username(self) -> str:
        """By the rule of sign-up; an unchanged name may be older than that rule."""
        entered: str = self.cleaned_data["username"]
        if self.instance.username in (entered, usernames.normalise(entered)):
            return self.instance.username
        cleaned: str = get_adapter().clean_username(entered)
        return cleaned

    def clean_display_name(self) -> str:
        """By the rule of sign-up, except that staff may have names reserved for staff."""
        entered: str = self.cleaned_data["display_name"]
        if not entered or entered == self.instance.display_name:
            return entered
        asked = "is_staff" in self.fields
        staff = bool(self.data.get("is_staff")) if asked else self.instance.is_staff
        return check_display_name(entered, may_be_reserved=staff)


class UserCreationForm(_NamedByTheRule, _CreationForm):
    pass


class UserChangeForm(_NamedByTheRule, _ChangeForm):
    pass
