"""People with browsers, passwords and authenticator apps, for tests of the accounts."""

from __future__ import annotations

import re
import time

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from chat.accounts.reauthentication import SIGNED_IN_AT
from chat.models import User

PASSWORD = "tall-Oak-42-river"
# How long an authenticator app shows a code.
PERIOD_SECONDS = 30
ABOUT_TO_CHANGE_SECONDS = 3


def person(name: str, **fields: object) -> User:
    made: User = User.objects.create_user(
        name, email=f"{name}@example.org", password=PASSWORD, **fields
    )
    return made


def signed_in(name: str, **options: object) -> Client:
    """A browser in which a person has just signed in with their password."""
    browser = Client(**options)  # type: ignore[arg-type]
    browser.post("/accounts/login/", {"login": name, "password": PASSWORD})
    return browser


def left_alone(browser: Client) -> Client:
    """The same browser an hour later: the password typed then no longer counts as recent."""
    session = browser.session
    hour = 3600.0
    session[SIGNED_IN_AT] -= hour
    for record in session.get("account_authentication_methods", []):
        record["at"] -= hour
    session.save()
    return browser


def code_for(secret: str) -> str:
    """The code that the authenticator app shows now. A code works once: see `fresh_code`.

    One that is about to change is not typed, as a person would not: the next one is waited for.
    """
    left_seconds = PERIOD_SECONDS - time.time() % PERIOD_SECONDS
    if left_seconds < ABOUT_TO_CHANGE_SECONDS:
        time.sleep(left_seconds)
    [value] = totp.yield_hotp_counters_from_time()
    return str(totp.format_hotp_value(totp.hotp_value(secret, value)))


def fresh_code(user: User) -> str:
    """A code of the person's app, as if not used yet. Earlier attempts are forgotten too."""
    cache.clear()
    return fresh_code_alone(user)


def fresh_code_alone(user: User) -> str:
    """Like `fresh_code`, but earlier attempts still count."""
    secret = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP).data["secret"]
    code = code_for(secret)
    cache.delete(f"allauth.mfa.totp.used?user={user.pk}&code={code}")
    return code


def confirm_password(browser: Client) -> None:
    browser.post(reverse("account_reauthenticate"), {"password": PASSWORD})


def confirm_code(browser: Client, user: User) -> None:
    browser.post(reverse("mfa_reauthenticate"), {"code": fresh_code(user)})


def set_up_factor(browser: Client) -> None:
    """Set up a second factor through the pages, in a signed-in browser."""
    confirm_password(browser)
    secret = browser.get(reverse("mfa_activate_totp")).context["form"].secret
    browser.post(reverse("mfa_activate_totp"), {"code": code_for(secret)})


def give_factor(user: User) -> None:
    """Give the person an earlier factor, set up in none of the test's browsers."""
    totp.TOTP.activate(user, totp.generate_totp_secret())
    RecoveryCodes.activate(user)


def sign_in_with_code(user: User) -> Client:
    browser = signed_in(user.username)
    browser.post(reverse("mfa_authenticate"), {"code": fresh_code(user)})
    assert browser.get("/api/v1/me").status_code == 200
    return browser


def reset_password(user: User, password: str, **options: object) -> Client:
    """Reset the password by mail; returns the browser in which the link was opened."""
    Client().post("/accounts/password/reset/", {"email": user.email})
    [link] = re.findall(r"/accounts/password/reset/key/\S+", str(mail.outbox[-1].body))
    browser = Client(**options)  # type: ignore[arg-type]
    form = browser.get(link, follow=True)
    browser.post(form.redirect_chain[-1][0], {"password1": password, "password2": password})
    return browser
