"""The forms of the account pages, where they differ from allauth's."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account import forms as allauth_forms
from allauth.account.adapter import get_adapter as account_adapter
from allauth.core import context
from allauth.mfa.adapter import get_adapter as mfa_adapter
from allauth.mfa.base import forms as mfa_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp_forms
from django import forms
from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.accounts import password_reset_tokens, sign_in_limits
from chat.accounts.display_name_form import DisplayNameForm
from chat.accounts.tokens import DEFAULT_DAYS
from chat.errors import ClientError
from chat.models import User
from chat.names import usernames
from chat.names.labels import MAX_NAME_CHARACTERS, check_label
from chat.protocol.scopes import Scope

# Nobody types more, and megabytes must not reach the hasher.
MAX_PASSWORD_CHARACTERS = 512


class PageForm(forms.Form):
    """Base of all forms of the account pages: gives them the site's look and bounds passwords."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            # Labels are shown above; a placeholder would only repeat them, and vanish.
            field.widget.attrs.pop("placeholder", None)
            field.widget.attrs["class"] = "v-input"
            if isinstance(field.widget, forms.PasswordInput):
                field.validators.append(MaxLengthValidator(MAX_PASSWORD_CHARACTERS))
                field.widget.attrs["maxlength"] = str(MAX_PASSWORD_CHARACTERS)
        if "password1" in self.fields:
            # Instead of Django's list of four sentences; an error names the rule that was broken.
            self.fields["password1"].help_text = _(
                "At least 8 characters, not only digits and not a common password."
            )


class LoginForm(PageForm, allauth_forms.LoginForm):  # type: ignore[misc]
    @property
    def sign_up_open(self) -> bool:
        """Whether the page offers to create an account."""
        return bool(settings.ENV.sign_up_open)

    def clean_login(self) -> str:
        # The limits of failed attempts count by this too: one name, one counter.
        return usernames.normalise(self.cleaned_data["login"])


class SignupForm(PageForm, allauth_forms.SignupForm):  # type: ignore[misc]
    field_order = ("username", "display_name", "email", "password1", "password2")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # allauth's label says that it is optional, but the page says so for every such field.
        self.fields["email"].label = _("Email")


class ChangeNameForm(PageForm, DisplayNameForm):
    """Changes the name by the same rules as sign-up; allauth has no page for it."""


class TokenForm(PageForm):
    """What a new token is for, what it may do and for how long."""

    SCOPES: ClassVar = {
        Scope.READ: _("read"),
        Scope.WRITE: _("write"),
        Scope.MODERATE: _("moderate"),
    }

    name = forms.CharField(
        label=_("What it is for"),
        max_length=MAX_NAME_CHARACTERS,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("It may"),
        choices=[
            (Scope.READ, _("read what members see")),
            (Scope.WRITE, _("write and do what members do")),
            (Scope.MODERATE, _("moderate, where I may, and see the analytics")),
        ],
        initial=[Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(
        label=_("It works for"),
        choices=[
            (7, _("7 days")),
            (30, _("30 days")),
            (DEFAULT_DAYS, _("90 days")),
            (365, _("a year")),
        ],
        coerce=int,
        initial=DEFAULT_DAYS,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["scopes"].widget.attrs["class"]  # each box would look like a field

    def clean_name(self) -> str:
        try:
            return check_label(self.cleaned_data["name"], "Name", MAX_NAME_CHARACTERS)
        except ClientError as refused:
            raise forms.ValidationError(
                _("This name contains characters that cannot be shown.")
            ) from refused

    def wanted(self) -> dict[str, Any]:
        """Arguments of `chat.accounts.tokens.issue`."""
        given = self.cleaned_data
        granted = [Scope(name) for name in given["scopes"]]
        return {"name": given["name"], "granted": granted, "days": given["days"]}


class ChangePasswordForm(PageForm, allauth_forms.ChangePasswordForm):  # type: ignore[misc]
    def clean_oldpassword(self) -> str:
        # allauth would let anybody who has the session keep guessing, five times a minute.
        usage = sign_in_limits.try_password(context.request, self.user.username)
        if usage is None:
            raise account_adapter().validation_error("too_many_login_attempts")
        password: str = super().clean_oldpassword()
        usage.rollback()
        return password


class SetPasswordForm(PageForm, allauth_forms.SetPasswordForm):  # type: ignore[misc]
    pass


class ResetPasswordForm(PageForm, allauth_forms.ResetPasswordForm):  # type: ignore[misc]
    users: list[User]

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        # An address that nobody has gets the same work, so that it takes no less time.
        self.users = self.users or [password_reset_tokens.nobody()]
        email: str = super().save(request, **kwargs)
        return email


class ResetPasswordKeyForm(PageForm, allauth_forms.ResetPasswordKeyForm):  # type: ignore[misc]
    pass


class ReauthenticateForm(PageForm, allauth_forms.ReauthenticateForm):  # type: ignore[misc]
    pass


class AddEmailForm(PageForm, allauth_forms.AddEmailForm):  # type: ignore[misc]
    pass


class CodeForm(PageForm):
    """What the forms that ask for a code have in common."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        code = self.fields["code"].widget.attrs
        # A recovery code has eight digits, one of the authenticator app six.
        code.update(inputmode="numeric", maxlength="20", autofocus=True)


class CountedCodeForm(CodeForm):
    """Asks for a code of somebody's second factor; the number of attempts is limited
    (`chat.accounts.sign_in_limits`)."""

    user: User
    authenticator: Authenticator

    def clean_code(self) -> str:
        # allauth has one count of a person's codes from anywhere, which strangers can use up.
        code: str = self.cleaned_data["code"]
        usage = sign_in_limits.try_code(context.request, self.user.username)
        if usage is None:
            raise account_adapter().validation_error("too_many_login_attempts")
        for authenticator in Authenticator.objects.filter(user=self.user):
            if authenticator.type != Authenticator.Type.WEBAUTHN and (
                authenticator.wrap().validate_code(code)
            ):
                self.authenticator = authenticator
                usage.rollback()
                return code
        raise mfa_adapter().validation_error("incorrect_code")


class AuthenticateForm(CountedCodeForm, mfa_forms.AuthenticateForm):  # type: ignore[misc]
    pass


class ReauthenticateCodeForm(CountedCodeForm, mfa_forms.ReauthenticateForm):  # type: ignore[misc]
    pass


class ActivateTOTPForm(CodeForm, totp_forms.ActivateTOTPForm):  # type: ignore[misc]
    pass
