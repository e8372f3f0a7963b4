"""How Veche differs from allauth's standard behaviour."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from chat import audit, sign_in_limits, usernames


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.ENV.sign_up_open)

    def clean_username(self, username: str, shallow: bool = False) -> str:
        cleaned: str = super().clean_username(usernames.normalise(username), shallow)
        return cleaned

    def get_client_ip(self, request: HttpRequest) -> str:
        # allauth's own answers 500 where X-Forwarded-For names fewer proxies than are trusted.
        address = audit.address_of(request)
        if address is None:
            raise PermissionDenied("The address of the client is not known.")
        return address

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        # A password does not stand in for a second factor that the account has.
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        codes = [method for method in methods if method["id"] != "reauthenticate"]
        return codes or methods

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return "/"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        # In the place of allauth's own limit, which closes a name for its owner too. What is set
        # here is taken back when the password was right.
        usage = sign_in_limits.try_password(request, credentials.get("username", ""))
        if usage is None:
            raise self.validation_error("too_many_login_attempts")
        self._login_failed_rl_usage = usage
