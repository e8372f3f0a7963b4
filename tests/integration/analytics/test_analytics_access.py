"""Who sees the analytics of all rooms: staff with the permission, past the checks of the admin."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from chat.accounts import tokens
from chat.models import User
from tests.support.account_world import code_for
from tests.support.admin_world import at_admin, staff, stored, without_second_factor
from tests.support.rooms import new_room

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "tall-Oak-42-river"
PAGE, NUMBERS = "/analytics/", "/api/v1/analytics/totals"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


def statuses(browser: Client, query: str = "", **headers: str) -> tuple[int, int]:
    """Of the page and of the numbers."""
    return tuple(browser.get(f"{at}{query}", headers=headers).status_code for at in (PAGE, NUMBERS))  # type: ignore[return-value]


def test_permission_opens_all_rooms_and_being_staff_does_not(settings: Settings) -> None:
    without_second_factor(settings)
    clerk, moderator = staff("clerk"), staff("mod", "moderator", "auditor")
    boss, root = staff("boss", "administrator"), staff("root", is_superuser=True)

    assert [statuses(at_admin(user)) for user in (clerk, moderator)] == [(403, 403)] * 2
    assert [statuses(at_admin(user)) for user in (boss, root)] == [(200, 200)] * 2
    assert b'"seesAnalytics": false' in at_admin(clerk).get("/").content
    assert b'"seesAnalytics": true' in at_admin(boss).get("/").content
    assert b'href="/analytics/"' not in at_admin(moderator).get("/admin/").content
    assert b'href="/analytics/"' in at_admin(boss).get("/admin/").content


def test_permission_without_being_staff_opens_nothing(settings: Settings) -> None:
    without_second_factor(settings)
    former = staff("former", "administrator")
    User.objects.filter(pk=former.pk).update(is_staff=False)

    assert statuses(at_admin(former)) == (403, 403)


def test_administrator_shows_a_second_factor_before_all_rooms_open() -> None:
    boss = staff("boss", "administrator")
    boss.set_password(PASSWORD)
    boss.save()
    browser = Client()
    browser.post("/accounts/login/", {"login": "boss", "password": PASSWORD})

    assert browser.get(PAGE)["Location"] == reverse("mfa_activate_totp")
    assert browser.get(NUMBERS).status_code == 403
    assert browser.get(f"{NUMBERS}?format=csv").status_code == 403
    assert browser.get("/api/v1/analytics/live").status_code == 403
    assert browser.get("/api/v1/analytics/rooms").json()["rooms"] == []

    led_to = browser.get(PAGE, follow=True).redirect_chain[-1][0]
    secret = browser.post(led_to, {"password": PASSWORD}, follow=True).context["form"].secret
    browser.post(reverse("mfa_activate_totp"), {"code": code_for(secret)})

    assert statuses(browser) == (200, 200)


def test_owner_sees_their_room_without_permission_or_second_factor() -> None:
    owner = staff("olga")
    room = async_to_sync(new_room)(owner)
    stored(room)

    assert statuses(at_admin(owner), f"?room={room.pk}") == (200, 200)
    assert statuses(at_admin(owner)) == (200, 403)  # the page opens with the room that they own


def test_administrator_without_a_second_factor_sees_the_rooms_that_they_own() -> None:
    boss, other = staff("boss", "administrator"), staff("otto")
    mine, theirs = (async_to_sync(new_room)(owner) for owner in (boss, other))
    browser = at_admin(boss)

    assert statuses(browser, f"?room={mine.pk}") == (200, 200)
    assert statuses(browser, f"?room={theirs.pk}") == (404, 404)


def test_token_opens_all_rooms_when_its_account_has_a_second_factor() -> None:
    boss, clerk = staff("boss", "administrator"), staff("clerk")

    def status(user: User) -> int:
        # Anew: a new factor ends the tokens that were there.
        _, token = tokens.issue(user.pk, "numbers")
        return Client().get(NUMBERS, headers={"Authorization": f"Bearer {token}"}).status_code

    assert (status(boss), status(clerk)) == (403, 403)
    for user in (boss, clerk):
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    assert (status(boss), status(clerk)) == (200, 403)


def test_token_is_not_helped_by_the_cookie_beside_it(settings: Settings) -> None:
    without_second_factor(settings)
    boss, clerk = staff("boss", "administrator"), staff("clerk")
    _, token = tokens.issue(clerk.pk, "numbers")

    answer = at_admin(boss).get(NUMBERS, headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 403
