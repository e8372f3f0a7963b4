"""People learn by mail what happened to their account, at every address it had."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from chat.models import User
from tests.support.account_world import (
    PASSWORD,
    confirm_code,
    confirm_password,
    person,
    reset_password,
    set_up_factor,
    signed_in,
)
from tests.support.admin_world import at_admin, staff, without_second_factor

pytestmark = pytest.mark.django_db(transaction=True)

OLD, SECOND, NEW = "anna@example.org", "second@example.org", "thief@example.com"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def anna() -> User:
    made = person("anna")
    EmailAddress.objects.create(user=made, email=OLD, primary=True, verified=True)
    EmailAddress.objects.create(user=made, email=SECOND, verified=True)
    return made


def at_pages(name: str = "anna", language: str = "en") -> Client:
    """A signed-in person who has just confirmed who they are."""
    browser = signed_in(name, headers={"Accept-Language": language})
    confirm_password(browser)
    mail.outbox.clear()
    return browser


def told() -> dict[str, str]:
    """Address → text of the notice sent to it; confirmations of new addresses do not count."""
    return {
        message.to[0]: str(message.body)
        for message in mail.outbox
        if "/confirm-email/" not in str(message.body)
    }


def test_added_address_is_told_to_those_that_were_there(anna: User) -> None:
    at_pages().post(reverse("account_email"), {"action_add": "", "email": NEW})

    assert set(told()) == {OLD, SECOND}
    for text in told().values():
        assert NEW in text
        assert "127.0.0.1" in text
        assert "http://testserver/accounts/password/reset/" in text


def test_moved_address_is_told_to_the_old_one(anna: User) -> None:
    at_pages().post(reverse("account_email"), {"action_primary": "", "email": SECOND})

    assert set(told()) == {OLD, SECOND}
    assert SECOND in told()[OLD]


def test_first_main_address_is_told_too(anna: User) -> None:
    EmailAddress.objects.filter(user=anna).update(primary=False)

    at_pages().post(reverse("account_email"), {"action_primary": "", "email": SECOND})

    assert SECOND in told()[OLD]


def test_removed_address_is_told_itself(anna: User) -> None:
    at_pages().post(reverse("account_email"), {"action_remove": "", "email": SECOND})

    assert set(told()) == {OLD, SECOND}
    assert SECOND in told()[SECOND]


def change_password(anna: User) -> None:
    form = {"oldpassword": PASSWORD, "password1": "other-Tree-77", "password2": "other-Tree-77"}
    at_pages().post(reverse("account_change_password"), form)


def reset(anna: User) -> None:
    reset_password(anna, "other-Tree-77")
    mail.outbox[:] = [message for message in mail.outbox if "/reset/key/" not in str(message.body)]


def activate(anna: User) -> None:
    set_up_factor(at_pages())


def deactivate(anna: User) -> None:
    browser = at_pages()
    set_up_factor(browser)
    confirm_code(browser, anna)
    mail.outbox.clear()
    browser.post(reverse("mfa_deactivate_totp"))


def make_codes(anna: User) -> None:
    browser = at_pages()
    set_up_factor(browser)
    confirm_code(browser, anna)
    mail.outbox.clear()
    browser.post(reverse("mfa_generate_recovery_codes"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_password, "password of your account was changed"),
        (reset, "password of your account was reset"),
        (activate, "Two-factor authentication was switched on"),
        (deactivate, "Two-factor authentication was switched off"),
        (make_codes, "recovery codes"),
    ],
)
def test_what_opens_the_account_is_told_to_all_addresses(
    anna: User, change: Callable[[User], None], said: str
) -> None:
    change(anna)

    assert set(told()) == {OLD, SECOND}
    assert all(said in text for text in told().values())
    assert all("anna" in text for text in told().values())


def make_token_over_the_api(browser: Client, language: str) -> str:
    made = browser.post(
        "/api/v1/tokens",
        {"name": "my <bot>"},
        content_type="application/json",
        headers={"Accept-Language": language},
    )
    return str(made.json()["token"])


def make_token_at_the_page(browser: Client, language: str) -> str:
    made = browser.post(
        reverse("tokens"),
        {"name": "my <bot>", "scopes": ["read"], "days": "30"},
        headers={"Accept-Language": language},
    )
    return str(made.context["text"])


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("make", [make_token_over_the_api, make_token_at_the_page])
def test_token_that_was_made_is_told(
    anna: User, make: Callable[[Client, str], str], language: str
) -> None:
    token = make(at_pages(), language)

    assert set(told()) == {OLD, SECOND}
    for text in told().values():
        assert "my <bot>" in text
        assert token not in text
        assert bool(re.search("[а-я]", text)) == (language == "ru")


def edit(user: User, email: str) -> None:
    form = {"username": user.username, "display_name": "", "email": email}
    at_admin(staff("boss", "administrator")).post(f"/admin/chat/user/{user.pk}/change/", form)


def test_address_that_staff_change_is_told_to_the_old_one_which_resets_nothing_more(
    anna: User, settings: Settings
) -> None:
    without_second_factor(settings)

    edit(anna, NEW)
    notices = told()
    mail.outbox.clear()
    Client().post(reverse("account_reset_password"), {"email": OLD})
    by_old = len(mail.outbox)
    Client().post(reverse("account_reset_password"), {"email": NEW})

    assert set(notices) == {OLD, SECOND, NEW}
    assert NEW in notices[OLD]
    assert "127.0.0.1" not in notices[OLD]  # where staff sit is nobody's business
    assert (by_old, [message.to for message in mail.outbox]) == (0, [[NEW]])
    assert EmailAddress.objects.get(user=anna, primary=True).email == NEW


def test_password_that_staff_set_is_told(anna: User, settings: Settings) -> None:
    without_second_factor(settings)
    form = {"password1": "other-Tree-77", "password2": "other-Tree-77", "usable_password": "true"}

    at_admin(staff("boss", "administrator")).post(f"/admin/chat/user/{anna.pk}/password/", form)

    anna.refresh_from_db()
    assert anna.check_password("other-Tree-77")
    assert set(told()) == {OLD, SECOND}


@pytest.mark.parametrize("language", ["en", "ru"])
def test_mails_are_in_the_language_of_the_page(anna: User, language: str) -> None:
    browser = at_pages(language=language)
    headers = {"Accept-Language": language}
    browser.post(reverse("account_email"), {"action_add": "", "email": NEW}, headers=headers)
    form = {"email": OLD}
    Client().post(reverse("account_reset_password"), form, headers=headers)

    texts = [f"{message.subject} {message.body}" for message in mail.outbox]
    assert len(texts) == 4
    for text in texts:
        assert bool(re.search("[а-я]", text)) == (language == "ru")
        assert text.startswith("[Veche] ")
        assert "&" not in text
