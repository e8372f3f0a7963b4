"""How Veche differs from allauth's standard behaviour."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext

from chat.accounts import notices, password_reset_tokens, sign_in_limits
from chat.accounts.public_address import origin_of
from chat.audit import entries as audit
from chat.mail import queue
from chat.models import PeopleGroup
from chat.names import look_alikes, usernames


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.ENV.sign_up_open)

    def clean_username(self, username: str, shallow: bool = False) -> str:
        cleaned: str = super().clean_username(usernames.normalise(username), shallow)
        skeletons = sorted(look_alikes.skeletons(cleaned))
        if PeopleGroup.objects.filter(skeletons__overlap=skeletons).exists():
            raise ValidationError(gettext("This name is reserved. Choose another one."))
        return cleaned

    def get_client_ip(self, request: HttpRequest) -> str:
        # allauth's own method answers 500 if X-Forwarded-For names fewer proxies than are trusted.
        address = audit.address_of(request)
        if address is None:
            raise PermissionDenied("The address of the client is not known.")
        return address

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        # A password does not replace a second factor that the account has.
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        codes = [method for method in methods if method["id"] != "reauthenticate"]
        return codes or methods

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return "/"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Without allauth's own limit, which also locks a name for its owner."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        usage = sign_in_limits.try_password(request, credentials.get("username", ""))
        if usage is None:
            raise self.validation_error("too_many_login_attempts")
        person = super().authenticate(request, **credentials)
        if person is not None:
            usage.rollback()
        return person

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        self._mail(template_prefix, email, context).send()

    def send_password_reset_mail(self, user: Any, email: str, context: dict[str, Any]) -> None:
        message = self._mail("account/email/password_reset_key", email, context)
        if user.pk == password_reset_tokens.NOBODY_ID:
            queue.put(message, to_nobody=True)
        else:
            message.send()

    def send_notification_mail(
        self,
        template_prefix: str,
        user: Any,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Mails all addresses of the person, and those the change is about, except a new one.

        `by_staff` in `context`: the person is not told where the change came from.
        """
        told = {"username": user.username, "timestamp": timezone.now(), **(context or {})}
        if not told.get("by_staff"):
            told["ip"] = self.get_client_ip(self.request)
        addresses = notices.addresses_of(user)
        addresses |= {address.lower() for address in (email, told.get("deleted_email")) if address}
        for address in sorted(addresses - {told.get("added_email")}):
            self.send_mail(template_prefix, address, told)

    def get_reset_password_from_key_url(self, key: str) -> str:
        path = reverse("account_reset_password_from_key", args=["UID", "KEY"])
        return origin_of(self.request) + path.replace("UID-KEY", quote(key))

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        path = reverse("account_confirm_email", args=[emailconfirmation.key])
        return origin_of(request) + path

    def is_safe_url(self, url: str) -> bool:
        # allauth's version also allows any port of localhost, which is the visitor's machine.
        ours = {urlsplit(origin).netloc for origin in settings.ENV.allowed_origins}
        return bool(url_has_allowed_host_and_scheme(url, allowed_hosts=ours))

    def _mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> EmailMessage:
        message: EmailMessage = self.render_mail(
            template_prefix, email, {**context, "origin": origin_of(self.request)}
        )
        return message
