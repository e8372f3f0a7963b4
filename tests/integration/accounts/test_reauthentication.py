"""A borrowed session does not give away the account: what people must confirm again."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from chat.models import ApiToken, User
from tests.support.account_world import (
    confirm_code,
    confirm_password,
    give_factor,
    left_alone,
    person,
    sign_in_with_code,
    signed_in,
)

pytestmark = pytest.mark.django_db(transaction=True)

THEIRS = "thief@example.com"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def anna() -> User:
    return person("anna")


def addresses(user: User) -> set[str]:
    return {
        user.email,
        *EmailAddress.objects.filter(user=user).values_list("email", flat=True),
    }


def issue_token(browser: Client) -> tuple[int, str | None]:
    answer = browser.post("/api/v1/tokens", {"name": "mine"}, content_type="application/json")
    return answer.status_code, answer.json().get("code")


def test_borrowed_session_neither_adds_nor_moves_nor_removes_an_address(anna: User) -> None:
    EmailAddress.objects.create(user=anna, email=anna.email, primary=True, verified=True)
    EmailAddress.objects.create(user=anna, email="anna2@example.org", verified=True)
    browser = left_alone(signed_in("anna"))
    page = reverse("account_email")

    answers = [
        browser.post(page, {"action_add": "", "email": THEIRS}),
        browser.post(page, {"action_primary": "", "email": "anna2@example.org"}),
        browser.post(page, {"action_remove": "", "email": "anna2@example.org"}),
    ]

    for answer in answers:
        assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert addresses(anna) == {"anna@example.org", "anna2@example.org"}
    assert EmailAddress.objects.get(user=anna, primary=True).email == "anna@example.org"


def test_page_asks_even_right_after_signing_in_and_then_goes_on_with_the_form(anna: User) -> None:
    browser = signed_in("anna")

    asked = browser.post(reverse("account_email"), {"action_add": "", "email": "a2@example.org"})
    wrong = browser.post(asked["Location"], {"password": "guess"})
    before = addresses(anna)
    browser.post(asked["Location"], {"password": "tall-Oak-42-river"})

    assert wrong.status_code == 200
    assert before == {"anna@example.org"}
    assert addresses(anna) == {"anna@example.org", "a2@example.org"}


def test_borrowed_session_sets_up_no_factor(anna: User) -> None:
    browser = left_alone(signed_in("anna"))

    looked = browser.get(reverse("mfa_activate_totp"))
    posted = browser.post(reverse("mfa_activate_totp"), {"code": "123456"})

    for answer in (looked, posted):
        assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert not Authenticator.objects.exists()


def test_borrowed_session_makes_no_token_until_its_person_says_who_they_are(anna: User) -> None:
    browser = signed_in("anna")
    at_once = issue_token(browser)
    later = issue_token(left_alone(browser))
    confirm_password(browser)

    assert at_once == (201, None)
    assert later == (403, "reauthentication_required")
    assert issue_token(browser) == (201, None)
    assert ApiToken.objects.count() == 2


def test_token_of_an_account_with_a_factor_takes_its_code(anna: User) -> None:
    give_factor(anna)
    browser = left_alone(sign_in_with_code(anna))
    confirm_password(browser)
    by_password = issue_token(browser)
    confirm_code(browser, anna)

    assert by_password == (403, "reauthentication_required")
    assert issue_token(browser) == (201, None)


def test_account_that_can_be_asked_for_nothing_changes_only_after_signing_in(anna: User) -> None:
    anna.set_unusable_password()
    anna.save()
    browser = Client()
    browser.force_login(anna)
    form = {"action_add": "", "email": THEIRS}
    fresh = issue_token(browser)
    left_alone(browser)

    assert fresh == (201, None)
    assert issue_token(browser) == (403, "reauthentication_required")
    assert browser.get(reverse("account_set_password")).status_code == 403
    assert browser.post(reverse("account_email"), form).status_code == 403
    assert THEIRS not in addresses(anna)


def test_stranger_is_sent_to_sign_in_before_anything_is_asked_again() -> None:
    for page in ("account_email", "account_change_password", "mfa_deactivate_totp"):
        answer = Client().post(reverse(page))
        assert answer["Location"].startswith(reverse("account_login")), page
