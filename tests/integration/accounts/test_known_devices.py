"""Password guesses by strangers: who is locked out by them, and who is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.core import signing
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from chat.accounts import known_devices
from chat.accounts.known_devices import COOKIE
from chat.models import User
from tests.support.account_world import (
    PASSWORD,
    fresh_code_alone,
    give_factor,
    person,
    reset_password,
    sign_in_with_code,
    signed_in,
)
from tests.support.admin_world import at_admin, staff, without_second_factor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_limits(settings: Settings) -> None:
    """A name is closed after ten guesses instead of a hundred, as each takes a while to refuse."""
    cache.clear()
    assert settings.ACCOUNT_RATE_LIMITS["login_failed_by_name"] == "100/h/key"
    settings.ACCOUNT_RATE_LIMITS = {
        **settings.ACCOUNT_RATE_LIMITS,
        "login_failed_by_name": "10/h/key",
    }


@pytest.fixture
def anna() -> User:
    return person("anna")


def try_to_sign_in(browser: Client, password: str = PASSWORD, name: str = "anna") -> bool:
    answer = browser.post("/accounts/login/", {"login": name, "password": password})
    return answer.status_code == 302


def stranger(number: int = 0) -> Client:
    return Client(REMOTE_ADDR=f"203.0.113.{number}")


def guess_from_everywhere(name: str = "anna", guesses: int = 10) -> None:
    """Wrong guesses from twenty addresses, by turns; then the name is closed for strangers."""
    for number in range(guesses):
        assert not try_to_sign_in(stranger(number % 20), f"guess {number}", name)


def known_browser(name: str = "anna") -> Client:
    """A browser in which the person has signed in and out."""
    browser = signed_in(name)
    browser.post("/accounts/logout/")
    return browser


def with_cookie_of(browser: Client, **options: str) -> Client:
    """Another browser, to which the cookie was copied."""
    other = Client(**options)  # type: ignore[arg-type]
    other.cookies[COOKIE] = browser.cookies[COOKIE].value
    return other


def test_hundred_guesses_from_twenty_addresses_keep_only_strangers_out(
    anna: User, settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {
        **settings.ACCOUNT_RATE_LIMITS,
        "login_failed_by_name": "100/h/key",
    }
    browser = known_browser()

    guess_from_everywhere(guesses=100)

    assert not try_to_sign_in(stranger(99))
    assert try_to_sign_in(browser)


def test_guesses_from_the_persons_own_address_do_not_keep_them_out(anna: User) -> None:
    """As behind the router of an office."""
    browser = known_browser()

    for number in range(15):
        try_to_sign_in(Client(), "guess", f"name{number}")

    assert not try_to_sign_in(Client())
    assert try_to_sign_in(browser)


def test_cookie_is_signed_for_the_server_alone(anna: User) -> None:
    cookie = known_browser().cookies[COOKIE]

    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert int(cookie["max-age"]) == timedelta(days=365).total_seconds()
    assert PASSWORD not in cookie.value


def test_stolen_cookie_gives_few_guesses_and_opens_nothing(anna: User) -> None:
    owner = known_browser()
    guess_from_everywhere()

    opened = with_cookie_of(owner).get("/api/v1/me").status_code
    tries = [with_cookie_of(owner, REMOTE_ADDR=f"198.51.100.{number}") for number in range(30)]
    for number, thief in enumerate(tries):
        assert not try_to_sign_in(thief, f"guess {number}")

    assert opened == 401
    # Its guesses are used up, so it is as strange as no cookie.
    assert not try_to_sign_in(with_cookie_of(owner, REMOTE_ADDR="198.51.100.99"))


def test_thief_uses_up_the_guesses_of_the_stolen_cookie_alone(anna: User) -> None:
    stolen, other = known_browser(), known_browser()
    guess_from_everywhere()

    for number in range(15):
        try_to_sign_in(with_cookie_of(stolen, REMOTE_ADDR=f"198.51.100.{number}"), "guess")

    assert not try_to_sign_in(with_cookie_of(stolen))
    assert try_to_sign_in(other)


def test_mistakes_in_ones_own_browser_are_taken_back_by_the_right_password(anna: User) -> None:
    browser = known_browser()
    for number in range(9):
        try_to_sign_in(browser, f"slip {number}")
    assert try_to_sign_in(browser)
    browser.post("/accounts/logout/")
    guess_from_everywhere()

    for number in range(9):
        try_to_sign_in(browser, f"slip {number}")

    assert try_to_sign_in(browser)


@pytest.mark.parametrize("of", ["somebody else", "a forger", "nobody", "another year"])
def test_other_cookies_help_nobody(anna: User, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    person("boris")
    browser = known_browser("boris") if of == "somebody else" else known_browser()
    value = browser.cookies[COOKIE].value
    if of == "a forger":
        payload, _, signature = value.rpartition(":")
        value = f"{payload}:{signature[::-1]}"
    elif of == "nobody":
        value = signing.dumps([], salt=known_devices.SALT)
    elif of == "another year":
        monkeypatch.setattr(known_devices, "LIFETIME", timedelta(seconds=-1))
    guess_from_everywhere()

    other = Client()
    other.cookies[COOKIE] = value

    assert not try_to_sign_in(other)


def test_new_password_makes_other_browsers_strange_and_keeps_the_one_that_made_it(
    anna: User,
) -> None:
    old = known_browser()
    browser = signed_in("anna")
    form = {"oldpassword": PASSWORD, "password1": "other-Tree-77", "password2": "other-Tree-77"}
    browser.post(reverse("account_change_password"), form)
    browser.post("/accounts/logout/")
    guess_from_everywhere()

    assert not try_to_sign_in(old, "other-Tree-77")
    assert try_to_sign_in(browser, "other-Tree-77")


def test_reset_lets_the_person_in_while_others_go_on_guessing(anna: User) -> None:
    old = known_browser()
    guess_from_everywhere()

    browser = reset_password(anna, "other-Tree-77")

    assert not try_to_sign_in(old, "other-Tree-77")
    assert try_to_sign_in(browser, "other-Tree-77")


def test_ended_sessions_make_all_browsers_strange(anna: User, settings: Settings) -> None:
    without_second_factor(settings)
    browser, unlisted = known_browser(), signed_in("anna")
    signed_in("anna")
    UserSession.objects.filter(session_key=unlisted.session.session_key).delete()
    at_admin(staff("boss", "administrator")).post(
        f"/admin/people/{anna.pk}/sessions/end/", {"all": "1", "why": "a lost phone"}
    )
    guess_from_everywhere()

    assert unlisted.get("/api/v1/me").status_code == 401
    assert not try_to_sign_in(browser)


def test_people_who_share_a_browser_are_all_known_there(anna: User) -> None:
    person("boris")
    browser = known_browser()
    try_to_sign_in(browser, name="boris")
    browser.post("/accounts/logout/")
    for name in ("anna", "boris"):
        guess_from_everywhere(name)

    for name in ("anna", "boris"):
        assert try_to_sign_in(browser, name=name)
        browser.post("/accounts/logout/")


def test_browser_remembers_the_last_few_people(anna: User) -> None:
    browser = known_browser()
    for number in range(known_devices.MAX_PEOPLE):
        person(f"guest{number}")
        try_to_sign_in(browser, name=f"guest{number}")
        browser.post("/accounts/logout/")
    guess_from_everywhere()

    assert not try_to_sign_in(browser)
    assert len(browser.cookies[COOKIE].value) < 1_000


def test_host_and_port_that_a_guesser_asks_for_change_nothing(anna: User) -> None:
    for number in range(20):
        browser = Client(REMOTE_ADDR="203.0.113.1")
        headers = {"Host": f"localhost:{10_000 + number}"}
        browser.post("/accounts/login/", {"login": "anna", "password": "guess"}, headers=headers)

    page = Client(REMOTE_ADDR="203.0.113.1")
    answer = page.post(
        "/accounts/login/", {"login": "anna", "password": PASSWORD}, headers={"Host": "localhost:1"}
    )
    assert answer.status_code == 200


def test_guesses_do_not_keep_a_session_from_being_asked_again(anna: User) -> None:
    browser = signed_in("anna")
    guess_from_everywhere()

    answer = browser.post(reverse("account_reauthenticate"), {"password": PASSWORD})

    assert answer.status_code == 302


@pytest.mark.parametrize("page", ["account_reauthenticate", "account_change_password"])
def test_borrowed_session_gives_few_guesses_of_the_password(
    anna: User, page: str, settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {
        **settings.ACCOUNT_RATE_LIMITS,
        "reauthenticate": "",
        "change_password": "",
    }
    browser = signed_in("anna")
    new = {"password1": "other-Tree-77", "password2": "other-Tree-77"}
    for number in range(20):
        guess = f"guess {number}"
        browser.post(reverse(page), {"password": guess, "oldpassword": guess, **new})

    answer = browser.post(reverse(page), {"password": PASSWORD, "oldpassword": PASSWORD, **new})

    assert answer.status_code == 200
    assert "Too many failed login attempts" in answer.content.decode()


def test_wrong_codes_of_who_knows_the_password_keep_only_strangers_out(anna: User) -> None:
    give_factor(anna)
    browser = sign_in_with_code(anna)
    browser.post("/accounts/logout/")
    for number in range(24):
        thief = Client(REMOTE_ADDR=f"203.0.113.{number}")
        try_to_sign_in(thief)
        thief.post(reverse("mfa_authenticate"), {"code": f"{number:06}"})
    late = Client(REMOTE_ADDR="203.0.113.99")
    try_to_sign_in(late)
    refused = late.post(reverse("mfa_authenticate"), {"code": fresh_code_alone(anna)})
    try_to_sign_in(browser)

    answer = browser.post(reverse("mfa_authenticate"), {"code": fresh_code_alone(anna)})

    assert "Too many failed login attempts" in refused.content.decode()
    assert answer.status_code == 302


def test_resets_by_mail_give_no_further_codes_to_guess(anna: User, settings: Settings) -> None:
    """The second factor must protect an account even from somebody who reads its owner's mail."""
    settings.ACCOUNT_RATE_LIMITS = {
        **settings.ACCOUNT_RATE_LIMITS,
        "reset_password": "",
        "reset_password_from_key": "",
        "login_failed_by_name": "100/h/key",
    }
    give_factor(anna)
    for number in range(4):
        password = f"other-Tree-{number}"
        thief = reset_password(anna, password, REMOTE_ADDR=f"203.0.113.{number}")
        assert try_to_sign_in(thief, password)
        for guess in range(7):
            thief.post(reverse("mfa_authenticate"), {"code": f"{number}{guess:05}"})
    late = reset_password(anna, "other-Tree-77", REMOTE_ADDR="203.0.113.99")
    try_to_sign_in(late, "other-Tree-77")

    answer = late.post(reverse("mfa_authenticate"), {"code": fresh_code_alone(anna)})

    assert "Too many failed login attempts" in answer.content.decode()


def test_reset_lets_a_person_with_a_factor_in_while_others_go_on_guessing(anna: User) -> None:
    give_factor(anna)
    guess_from_everywhere()
    browser = reset_password(anna, "other-Tree-77")
    password = try_to_sign_in(browser, "other-Tree-77")

    browser.post(reverse("mfa_authenticate"), {"code": fresh_code_alone(anna)})

    assert password
    assert browser.get("/api/v1/me").status_code == 200
