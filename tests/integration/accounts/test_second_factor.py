"""What a session may do that was opened without the account's second factor."""

from __future__ import annotations

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from chat.models import User
from tests.support.account_world import (
    PASSWORD,
    confirm_code,
    fresh_code,
    give_factor,
    left_alone,
    person,
    set_up_factor,
    sign_in_with_code,
    signed_in,
)
from tests.support.admin_world import without_second_factor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def mara() -> User:
    return person("mara", is_staff=True, is_superuser=True)


def with_password_alone(user: User) -> Client:
    """A session that goes on although it never gave the factor that the account has.

    No page makes one: a new factor ends other sessions, and every sign-in asks for the code. This
    is what is left if one of the two is got round.
    """
    browser = sign_in_with_code(user)
    session = browser.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [
        record
        for record in session[AUTHENTICATION_METHODS_SESSION_KEY]
        if record["method"] == "password"
    ]
    session.save()
    return browser


def test_new_factor_ends_the_sessions_that_were_opened_without_it(mara: User) -> None:
    thief = signed_in("mara")
    thief_in_chat = thief.get("/api/v1/me").status_code
    owner = signed_in("mara")

    set_up_factor(owner)

    assert thief_in_chat == 200
    assert thief.get("/api/v1/me").status_code == 401
    assert thief.get("/admin/").status_code == 302
    assert owner.get("/api/v1/me").status_code == 200
    assert owner.get("/admin/").status_code == 200
    owners = {owner.session.session_key}
    assert {one.session_key for one in UserSession.objects.all() if one.exists()} == owners


def test_session_that_sets_a_factor_up_again_gives_the_new_one_and_others_end(mara: User) -> None:
    owner = signed_in("mara")
    set_up_factor(owner)
    elsewhere = sign_in_with_code(mara)
    confirm_code(owner, mara)

    owner.post(reverse("mfa_deactivate_totp"))
    after_deactivation = owner.get("/admin/")
    set_up_factor(owner)

    assert after_deactivation["Location"] == reverse("mfa_activate_totp")
    assert owner.get("/admin/").status_code == 200
    assert elsewhere.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("asked_of_staff", [True, False])
def test_admin_asks_a_session_for_the_factor_that_its_account_has(
    mara: User, settings: Settings, asked_of_staff: bool
) -> None:
    if not asked_of_staff:
        without_second_factor(settings)
    give_factor(mara)
    browser = with_password_alone(mara)

    led_to = browser.get("/admin/history/?q=x")
    acted = browser.post("/admin/act/", {"action": "room.archive", "rooms": "1"})
    again = browser.post(led_to["Location"], {"code": fresh_code(mara)})

    assert (
        led_to["Location"] == reverse("mfa_reauthenticate") + "?next=%2Fadmin%2Fhistory%2F%3Fq%3Dx"
    )
    assert acted["Location"].startswith(reverse("mfa_reauthenticate"))
    assert again["Location"] == "/admin/history/?q=x"
    assert browser.get("/admin/history/").status_code == 200


def test_analytics_ask_the_session_too(mara: User) -> None:
    give_factor(mara)
    browser = with_password_alone(mara)

    page = browser.get("/analytics/")
    numbers = browser.get("/api/v1/analytics/totals").status_code
    confirm_code(browser, mara)

    assert page["Location"] == f"{reverse('mfa_reauthenticate')}?next=%2Fanalytics%2F"
    assert numbers == 403
    assert browser.get("/analytics/").status_code == 200


PAGES_OF_THE_FACTOR = [
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
]


@pytest.mark.parametrize("page", PAGES_OF_THE_FACTOR)
def test_pages_of_the_factor_ask_for_its_code_and_take_no_password_instead(
    mara: User, page: str
) -> None:
    give_factor(mara)
    browser = with_password_alone(mara)

    looked = browser.get(reverse(page))
    changed = browser.post(reverse(page))
    by_password = browser.post(
        reverse("account_reauthenticate") + f"?next={reverse(page)}", {"password": PASSWORD}
    )
    still = browser.get(reverse(page))

    for answer in (looked, changed, by_password, still):
        assert answer["Location"].startswith(reverse("mfa_reauthenticate"))
    assert Authenticator.objects.filter(user=mara).count() == 2
    confirm_code(browser, mara)
    assert browser.get(reverse(page)).status_code == 200


def test_code_of_an_hour_ago_is_asked_for_again(mara: User) -> None:
    give_factor(mara)
    browser = sign_in_with_code(mara)
    confirm_code(browser, mara)

    answer = left_alone(browser).post(reverse("mfa_deactivate_totp"))

    assert answer["Location"].startswith(reverse("mfa_reauthenticate"))
    assert Authenticator.objects.filter(user=mara, type=Authenticator.Type.TOTP).exists()


def test_recovery_code_stands_in_for_the_app(mara: User) -> None:
    give_factor(mara)
    codes = Authenticator.objects.get(user=mara, type=Authenticator.Type.RECOVERY_CODES)
    browser = signed_in("mara")

    browser.post(reverse("mfa_authenticate"), {"code": codes.wrap().get_unused_codes()[0]})

    assert browser.get("/admin/").status_code == 200


def test_password_is_changed_with_the_code_as_well(mara: User) -> None:
    give_factor(mara)
    browser = left_alone(sign_in_with_code(mara))
    form = {
        "oldpassword": PASSWORD,
        "password1": "other-Tree-77",
        "password2": "other-Tree-77",
    }

    looked = browser.get(reverse("account_change_password"))
    refused = browser.post(reverse("account_change_password"), form)
    kept = "other-Tree-77" in str(dict(browser.session))
    mara.refresh_from_db()
    before = mara.check_password(PASSWORD)
    confirm_code(browser, mara)
    browser.post(reverse("account_change_password"), form)

    for answer in (looked, refused):
        assert answer["Location"].startswith(reverse("mfa_reauthenticate"))
    assert before
    assert not kept
    mara.refresh_from_db()
    assert mara.check_password("other-Tree-77")
