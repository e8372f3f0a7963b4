"""Signing up, in and out, and what ends sockets."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast

import pytest
import redis
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings

from chat.accounts import tokens
from chat.hints import to_hubs
from chat.models import Room, User
from chat.queries import room_list

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "tall-Oak-42-river"
ENTERED = {"password1": PASSWORD, "password2": PASSWORD}

Revoked = list[tuple[int, str | None]]


@pytest.fixture
def revoked(monkeypatch: pytest.MonkeyPatch) -> Revoked:
    """The revocations that hubs were told of, as (user, grant)."""
    told: Revoked = []
    publish = to_hubs.publish_blocking

    def note(group: str, message: dict[str, Any]) -> None:
        if message["type"] == "revoke":
            assert group == to_hubs.HUBS_GROUP
            told.append((message["user"], message["session"]))
        publish(group, message)

    monkeypatch.setattr(to_hubs, "publish_blocking", note)
    return told


@pytest.fixture
def anna() -> User:
    return User.objects.create_user("anna", email="anna@example.org", password=PASSWORD)


@pytest.fixture
def client(client: Client) -> Client:
    cache.clear()
    return client


def sign_in(client: Client, username: str, password: str = PASSWORD) -> int:
    answer = client.post("/accounts/login/", {"login": username, "password": password})
    return answer.status_code


def test_sign_up_signs_in_and_lands_in_general(client: Client) -> None:
    answer = client.post(
        "/accounts/signup/", {"username": "Анна", "display_name": "Анна П.", **ENTERED}
    )

    user = User.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert (user.username, user.display_name) == ("анна", "Анна П.")
    assert user.password.startswith("argon2")
    assert client.get("/api/v1/me").status_code == 200
    [room] = async_to_sync(room_list.rooms_of)(user.pk)
    assert (room.slug, room.role) == ("general", "member")


def test_pages_load_nothing_from_elsewhere_and_stand_in_nobodys_frame(client: Client) -> None:
    answer, again = client.get("/accounts/login/"), client.get("/accounts/login/")

    # For the few styles that stand in the page itself; it is another one for each answer.
    nonce = re.search(r"'nonce-[\w+/=]{22,}'", answer["Content-Security-Policy"])
    assert nonce
    assert nonce[0] not in again["Content-Security-Policy"]
    policy = answer["Content-Security-Policy"].split(";")
    assert {directive.strip() for directive in policy} == {
        "default-src 'none'",
        f"script-src 'self' {nonce[0]}",
        f"style-src 'self' {nonce[0]}",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    }
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"


def test_cookies_of_an_installation_with_https_are_for_its_host_over_https_alone() -> None:
    names = "SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"
    show = (
        f"from tests import static_settings as s; print(*(getattr(s, n) for n in {names}), "
        "s.KNOWN_DEVICE_COOKIE_NAME)"
    )

    shown = subprocess.run(
        [sys.executable, "-c", show], capture_output=True, text=True, check=True, timeout=60
    )

    assert shown.stdout.split() == ["__Host-sessionid", "True", "True", "__Host-veche_device"]


# The chat's own page learns it from `welcome`.
@pytest.mark.parametrize(
    ("page", "signed_in"),
    [
        ("/accounts/login/", False),
        ("/accounts/signup/", False),
        ("/accounts/sessions/", True),
        ("/nothing-is-here/", True),
        ("/analytics/", True),
        ("/admin/", True),
        ("/admin/history/", True),
        ("/admin/chat/room/", True),
        ("/admin/chat/user/add/", True),
    ],
)
def test_weak_log_is_said_on_every_page(
    client: Client, monkeypatch: pytest.MonkeyPatch, page: str, signed_in: bool
) -> None:
    if signed_in:
        client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    strong = dataclasses.replace(settings.ENV, staff_mfa=False)
    said = []
    for env in (strong, dataclasses.replace(strong, allow_weak_log=True)):
        monkeypatch.setattr(settings, "ENV", env)
        text = client.get(page).content.decode()
        said.append("messages may be lost" in text or "may lose acknowledged messages" in text)

    assert said == [False, True]


@pytest.mark.parametrize("forwarded", ["192.0.2.1", "unknown, 192.0.2.1", "", "\0,\0,\0"])
def test_one_signs_in_whatever_the_proxies_say_of_the_address(
    client: Client, anna: User, monkeypatch: pytest.MonkeyPatch, forwarded: str
) -> None:
    monkeypatch.setattr(settings, "ENV", dataclasses.replace(settings.ENV, trusted_proxies=2))

    answer = client.post(
        "/accounts/login/",
        {"login": "anna", "password": PASSWORD},
        headers={"X-Forwarded-For": forwarded},
    )

    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_sign_up_stands_when_the_log_is_away(client: Client, settings: Settings) -> None:
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url="redis://127.0.0.1:1/0")

    answer = client.post("/accounts/signup/", {"username": "anna", **ENTERED})

    assert answer.status_code == 302
    assert User.objects.filter(username="anna").exists()


@pytest.mark.parametrize(
    "username", ["ANNA", "ａｎｎａ", "аnna", "admin", "a", "x" * 41, "an\u200bna", "<script>"]
)
def test_name_of_somebody_else_or_like_theirs_cannot_be_taken(
    client: Client, anna: User, username: str
) -> None:
    answer = client.post("/accounts/signup/", {"username": username, **ENTERED})

    assert answer.status_code == 200
    assert answer.context["form"].errors["username"]
    assert User.objects.count() == 1


def test_any_spelling_of_the_name_signs_in(client: Client, anna: User) -> None:
    for username in ("anna", "Anna", " ANNA ", "ａｎｎａ"):
        assert sign_in(client, username) == 302
        client.post("/accounts/logout/")


def test_sign_up_and_reset_do_not_tell_whose_mail_addresses_are_known(
    client: Client, anna: User
) -> None:
    taken = client.post(
        "/accounts/signup/", {"username": "boris", "email": "anna@example.org", **ENTERED}
    )
    Client().post("/accounts/logout/")
    known = Client().post("/accounts/password/reset/", {"email": "anna@example.org"})
    unknown = Client().post("/accounts/password/reset/", {"email": "nobody@example.org"})

    assert taken.status_code == 302
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert {address for message in mail.outbox for address in message.to} == {"anna@example.org"}


def test_wrong_password_and_unknown_name_get_the_same_answer(client: Client, anna: User) -> None:
    pages = []
    for username in ("anna", "nobody"):
        answer = client.post("/accounts/login/", {"login": username, "password": "wrong"})
        errors = re.findall(r'role="alert">([^<]+)<', answer.content.decode())
        pages.append((answer.status_code, errors))

    assert pages[0] == pages[1]
    assert pages[0][1]


def test_thousand_guesses_on_one_name_are_cut_off_from_the_right_one_too(
    client: Client, anna: User
) -> None:
    answers = [sign_in(client, "anna", f"guess {number}") for number in range(8)]
    right = client.post("/accounts/login/", {"login": "anna", "password": PASSWORD})
    spelled = client.post("/accounts/login/", {"login": "ＡＮＮＡ", "password": PASSWORD})

    assert set(answers) <= {200, 429}
    assert right.status_code != 302
    assert spelled.status_code != 302


def test_guesses_from_elsewhere_do_not_keep_a_person_out(client: Client, anna: User) -> None:
    attacker = Client(REMOTE_ADDR="203.0.113.9")
    guesses = [sign_in(attacker, "anna", f"guess {number}") for number in range(6)]

    assert sign_in(attacker, "anna") != 302
    assert 302 not in guesses
    assert sign_in(client, "anna") == 302


def test_guesses_on_one_name_from_many_addresses_are_cut_off(
    client: Client, anna: User, settings: Settings
) -> None:
    assert settings.ACCOUNT_RATE_LIMITS["login_failed_by_name"] == "100/h/key"
    settings.ACCOUNT_RATE_LIMITS = {"login_failed_by_name": "6/h/key"}

    for number in range(6):
        sign_in(Client(REMOTE_ADDR=f"203.0.113.{number}"), "anna", "guess")

    assert sign_in(Client(REMOTE_ADDR="198.51.100.1"), "anna") != 302


def test_guesses_on_many_names_from_one_address_are_cut_off(client: Client) -> None:
    answers = [sign_in(client, f"user{number}", "guess") for number in range(12)]

    assert answers[:10] == [200] * 10
    assert not User.objects.exists()
    page = client.post("/accounts/login/", {"login": "user99", "password": "guess"})
    assert "Too many failed login attempts" in page.content.decode()


def test_attempts_count_in_this_process_while_the_bus_is_away(
    settings: Settings, client: Client, anna: User
) -> None:
    away = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": away}

    for _ in range(5):
        sign_in(client, "anna", "guess")

    assert sign_in(client, "anna") != 302


def test_attempts_are_kept_as_json_on_the_bus(
    client: Client, anna: User, bus_redis: redis.Redis
) -> None:
    sign_in(client, "anna", "guess")

    keys = cast(list[bytes], bus_redis.keys("veche:limit*"))
    values = [cast(bytes, bus_redis.get(key)) for key in keys]
    assert values
    assert all(value.startswith((b"[", b"t")) for value in values)


def test_endless_password_is_refused_before_it_is_hashed(client: Client, anna: User) -> None:
    answer = client.post("/accounts/login/", {"login": "anna", "password": "x" * 1_000_000})

    assert answer.status_code == 200
    assert "password" in answer.context["form"].errors


def test_sign_in_returns_only_to_pages_of_this_site(client: Client, anna: User) -> None:
    for target in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        answer = client.post(
            "/accounts/login/", {"login": "anna", "password": PASSWORD, "next": target}
        )
        assert answer["Location"] == "/"
        client.post("/accounts/logout/")


def test_signing_out_needs_a_post_and_closes_the_sockets_of_that_session(
    client: Client, anna: User, revoked: Revoked
) -> None:
    sign_in(client, "anna")
    session = client.session.session_key

    asked = client.get("/accounts/logout/")
    before = list(revoked)
    client.post("/accounts/logout/")

    assert asked.status_code == 200
    assert before == []
    assert revoked == [(anna.pk, session)]
    assert session is not None
    client.cookies["sessionid"] = session
    assert client.get("/api/v1/me").status_code == 401


def change_password(user: User, client: Client) -> None:
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, **new_password()})


def reset_password(user: User, client: Client) -> None:
    Client().post("/accounts/password/reset/", {"email": user.email})
    [link] = re.findall(r"/accounts/password/reset/key/\S+", str(mail.outbox[-1].body))
    visitor = Client()
    form = visitor.get(link, follow=True)
    visitor.post(form.redirect_chain[-1][0], new_password())


def set_by_an_admin(user: User, client: Client) -> None:
    other = User.objects.get(pk=user.pk)
    other.set_password("other-Tree-77")
    other.save()


def deactivate(user: User, client: Client) -> None:
    other = User.objects.get(pk=user.pk)
    other.is_active = False
    other.save(update_fields=["is_active"])


def new_password() -> dict[str, str]:
    return {"password1": "other-Tree-77", "password2": "other-Tree-77"}


@pytest.mark.parametrize("event", [change_password, reset_password, set_by_an_admin, deactivate])
def test_what_ends_all_sessions_closes_all_sockets(
    client: Client, anna: User, revoked: Revoked, event: Callable[[User, Client], None]
) -> None:
    elsewhere = Client()
    sign_in(client, "anna")
    sign_in(elsewhere, "anna")
    revoked.clear()

    event(anna, client)

    assert (anna.pk, None) in revoked
    assert elsewhere.get("/api/v1/me").status_code == 401


def test_saving_other_fields_closes_nothing(client: Client, anna: User, revoked: Revoked) -> None:
    sign_in(client, "anna")
    anna.display_name = "Anna"
    anna.save()

    assert revoked == []


def test_revoking_a_token_closes_its_sockets_only(anna: User, revoked: Revoked) -> None:
    row, _ = tokens.issue(anna.pk, "bot")

    tokens.revoke(anna.pk, row.pk)

    assert revoked == [(anna.pk, f"token:{row.pk}")]


PAGES = ["login", "signup", "password/reset", "password/reset/done", "inactive"]
OWN_PAGES = ["logout", "name", "password/change", "email", "reauthenticate"]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_page_has_the_common_look_and_language(
    client: Client, anna: User, language: str
) -> None:
    headers = {"Accept-Language": language}
    pages = [client.get(f"/accounts/{page}/", headers=headers) for page in PAGES]
    client.force_login(anna)
    pages += [client.get(f"/accounts/{page}/", headers=headers) for page in OWN_PAGES]

    for page in pages:
        text = page.content.decode()
        assert page.status_code == 200
        assert f'<html lang="{language}">' in text
        assert "chat/css/accounts.css" in text
        assert "style=" not in text  # the content security policy allows none


def test_language_can_be_chosen(client: Client) -> None:
    client.post("/i18n/setlang/", {"language": "ru", "next": "/accounts/login/"})

    assert '<html lang="ru">' in client.get("/accounts/login/").content.decode()


def rename(client: Client, name: str) -> Any:
    return client.post("/accounts/name/", {"display_name": name}, follow=True)


def test_name_is_changed_at_once_and_the_page_says_so(client: Client, anna: User) -> None:
    client.force_login(anna)

    answer = rename(client, "  Анна   <П.> ")

    text = answer.content.decode()
    assert "Saved. Your name is Анна &lt;П.&gt;." in text
    assert 'value="Анна &lt;П.&gt;"' in text
    assert 'href="/"' in text
    assert client.get("/api/v1/me").json()["name"] == "Анна <П.>"
    assert client.get("/api/v1/users?q=anna").json()[0]["name"] == "Анна <П.>"


def test_who_takes_the_name_away_is_shown_by_the_user_name(client: Client, anna: User) -> None:
    User.objects.filter(pk=anna.pk).update(display_name="Anna P.")
    client.force_login(anna)

    answer = rename(client, "   ")

    assert "Saved. Your name is anna." in answer.content.decode()
    assert client.get("/api/v1/me").json()["name"] == "anna"


@pytest.mark.parametrize("name", ["A\u202enna", "An\x07na", "\u200b", "x" * 81])
def test_name_that_could_not_be_had_at_sign_up_changes_nothing(
    client: Client, anna: User, name: str
) -> None:
    User.objects.filter(pk=anna.pk).update(display_name="Anna P.")
    at_sign_up = client.post(
        "/accounts/signup/", {"username": "boris", "display_name": name, **ENTERED}
    )
    client.force_login(anna)

    answer = rename(client, name)

    errors = answer.context["form"].errors["display_name"]
    assert errors == at_sign_up.context["form"].errors["display_name"]
    assert errors
    assert "Saved" not in answer.content.decode()
    anna.refresh_from_db()
    assert anna.display_name == "Anna P."


def test_name_is_changed_only_from_the_page_of_who_is_signed_in(client: Client, anna: User) -> None:
    asked = client.post("/accounts/name/", {"display_name": "Mallory"})
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(anna)
    forged = careful.post("/accounts/name/", {"display_name": "Mallory"})

    assert (asked.status_code, asked["Location"]) == (302, "/accounts/login/?next=/accounts/name/")
    assert forged.status_code == 403
    anna.refresh_from_db()
    assert anna.display_name == ""


def test_name_is_not_changed_again_and_again(client: Client, anna: User) -> None:
    client.force_login(anna)

    answers = [rename(client, f"Anna {number}").status_code for number in range(11)]

    assert answers == [200] * 10 + [429]
    assert client.get("/accounts/name/").status_code == 200
    anna.refresh_from_db()
    assert anna.display_name == "Anna 9"


def test_closed_sign_up_takes_nobody(client: Client, settings: Settings) -> None:
    assert "Create an account" in client.get("/accounts/login/").content.decode()
    settings.ENV = dataclasses.replace(settings.ENV, sign_up_open=False)

    answer = client.post("/accounts/signup/", {"username": "anna", **ENTERED})

    assert "Create an account" not in client.get("/accounts/login/").content.decode()
    assert answer.status_code == 200
    assert User.objects.count() == 0
    assert Room.objects.count() == 0


def test_errors_have_pages_of_their_own(client: Client, settings: Settings) -> None:
    absent = client.get("/nowhere/", headers={"Accept-Language": "ru"})
    forged = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "anna"})

    assert (absent.status_code, forged.status_code) == (404, 403)
    assert "Здесь ничего нет" in absent.content.decode()
    assert "This form is out of date" in forged.content.decode()


ADMIN_LISTS = ("user", "room", "apitoken")


def test_staff_sign_in_by_the_same_door_and_only_look_at_what_the_log_wrote(
    client: Client, anna: User, settings: Settings
) -> None:
    settings.ENV = dataclasses.replace(settings.ENV, staff_mfa=False)
    asked = client.get("/admin/login/")
    User.objects.filter(pk=anna.pk).update(is_staff=True, is_superuser=True)
    sign_in(client, "anna")
    lists = [client.get(f"/admin/chat/{name}/").status_code for name in ADMIN_LISTS]
    adds = [client.get(f"/admin/chat/{name}/add/").status_code for name in ADMIN_LISTS[1:]]

    assert (asked.status_code, asked["Location"][:16]) == (302, "/accounts/login/")
    assert lists == [200] * len(lists)
    assert adds == [403] * len(adds)
