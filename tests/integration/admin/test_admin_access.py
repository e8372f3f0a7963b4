"""Who gets into the admin, and what each role may open and do there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from chat import dead_letters
from chat.admin.moderation.people import PersonAdmin
from chat.audit.permissions import Act
from chat.dead_letters import DeadLetterOrigin, Reason
from chat.events import RoomKind
from chat.hints import to_hubs
from chat.models import AuditEntry, Room, RoomEvent, User
from tests.support.account_world import code_for
from tests.support.admin_world import (
    ROLES,
    at_admin,
    recorded,
    said,
    staff,
    without_second_factor,
    world,
)
from tests.support.moderation_world import World

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "tall-Oak-42-river"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def password_alone(settings: Settings) -> None:
    without_second_factor(settings)


# Getting in


def test_stranger_is_sent_to_the_common_sign_in_page() -> None:
    answer = Client().get("/admin/history/?q=x", follow=True)

    assert [status for _, status in answer.redirect_chain] == [302, 302]
    assert answer.redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2Fhistory%2F%3Fq%3Dx"


def test_person_who_is_no_staff_is_refused() -> None:
    browser = at_admin(User.objects.create_user("anna"))

    answers = [browser.get(page, follow=True) for page in ("/admin/", "/admin/history/")]

    assert {answer.status_code for answer in answers} == {403}


def test_staff_without_a_second_factor_set_one_up_before_the_admin_opens() -> None:
    browser = at_admin(staff("mara", "administrator"))

    answers = [
        browser.get("/admin/"),
        browser.get("/admin/audit/"),
        browser.post("/admin/act/", {"action": Act.ROOM_ARCHIVE, "rooms": "1"}),
    ]

    assert {answer["Location"] for answer in answers} == {reverse("mfa_activate_totp")}


def test_second_factor_opens_the_admin_and_is_asked_for_at_every_sign_in() -> None:
    user = staff("mara", "administrator")
    user.set_password(PASSWORD)
    user.save()
    browser = Client()
    browser.post("/accounts/login/", {"login": "mara", "password": PASSWORD})

    led_to = browser.get("/admin/", follow=True).redirect_chain[-1][0]
    assert led_to.startswith(reverse("account_reauthenticate"))
    page = browser.post(led_to, {"password": PASSWORD}, follow=True)
    secret = page.context["form"].secret
    activated = browser.post(reverse("mfa_activate_totp"), {"code": code_for(secret)})
    assert activated["Location"] == reverse("mfa_view_recovery_codes")
    assert browser.get("/admin/").status_code == 200
    [recovery, *_] = browser.get(reverse("mfa_view_recovery_codes")).context["unused_codes"]
    browser.post("/accounts/logout/")

    again = browser.post(
        "/accounts/login/?next=/admin/", {"login": "mara", "password": PASSWORD, "next": "/admin/"}
    )
    assert again["Location"].startswith(reverse("mfa_authenticate"))
    assert browser.get("/admin/").status_code == 302
    wrong = browser.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert wrong.status_code == 200
    right = browser.post(reverse("mfa_authenticate"), {"code": recovery})

    assert right["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200


def test_only_the_admin_lets_its_library_evaluate_expressions(password_alone: None) -> None:
    browser = at_admin(staff("mara", "administrator"))

    admin, chat = browser.get("/admin/"), browser.get("/")

    assert "'unsafe-eval'" in admin["Content-Security-Policy"]
    assert "'unsafe-inline'" not in admin["Content-Security-Policy"]
    assert "'unsafe-eval'" not in chat["Content-Security-Policy"]
    assert "no-store" in admin["Cache-Control"]
    # An inline style or script would be refused by the policy, and the page broken.
    assert not re.findall(rb"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=", admin.content)


def test_search_over_models_and_second_password_page_are_not_there(password_alone: None) -> None:
    browser = at_admin(staff("mara", "administrator"))

    assert browser.get("/admin/search/?s=x").status_code == 404
    assert browser.get("/admin/password_change/")["Location"] == "/accounts/password/change/"


# Role × page

M, A, U = ROLES
PAGES: dict[str, set[str]] = {
    "admin:index": {M, A, U, ""},
    "admin:history": {M, A},
    "admin:history_export": {M, A},
    "admin:reports": {M, A},
    "admin:chat_user_changelist": {M, A},
    "admin:chat_room_changelist": {M, A, U},
    "admin:dead_letters": {A},
    "admin:delivery": {A, U},
    "admin:delivery_figures": {A, U},
    "admin:audit": {A, U},
    "admin:audit_export": {A, U},
    "admin:auth_group_changelist": {A, U},
    "admin:chat_apitoken_changelist": {A},
}


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_each_role_opens_its_pages_and_no_others(password_alone: None, role: str) -> None:
    browser = at_admin(staff("mara", *([role] if role else [])))

    opened = {page: browser.get(reverse(page)).status_code for page in PAGES}

    assert opened == {page: 200 if role in roles else 403 for page, roles in PAGES.items()}


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_sidebar_and_start_page_link_to_all_that_opens_and_to_nothing_else(
    password_alone: None, role: str
) -> None:
    browser = at_admin(staff("mara", *([role] if role else [])))

    page = browser.get("/admin/").content.decode()

    links = set(re.findall(r'href="(/admin/[^"?#]*)"', page))
    parts_of_others = {"admin:history_export", "admin:delivery_figures", "admin:audit_export"}
    assert links >= {
        reverse(page)
        for page, roles in PAGES.items()
        if role in roles and page not in parts_of_others
    }
    assert {link: browser.get(link).status_code for link in links} == dict.fromkeys(links, 200)


# Role × act

PERMITTED: dict[str, set[str]] = {
    Act.MESSAGE_DELETE: {M, A},
    Act.MESSAGE_RESTORE: {M, A},
    Act.MEMBER_MUTE: {M, A},
    Act.MEMBER_BAN: {M, A},
    Act.MEMBER_ROLE: {A},
    Act.PERSON_MUTE: {M, A},
    Act.PERSON_DEACTIVATE: {A},
    Act.ROOM_ARCHIVE: {M, A},
    Act.ROOM_SLOW_MODE: {M, A},
}


def targets(here: World, message: int) -> dict[str, str]:
    return {
        "ids": str(message),
        "members": f"{here.room.pk}:{here.boris.pk}",
        "people": str(here.boris.pk),
        "rooms": str(here.room.pk),
    }


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_forged_form_of_somebody_without_the_right_changes_nothing(
    password_alone: None, role: str
) -> None:
    here = world()
    message = said(here.room, here.boris, "hello")
    events = RoomEvent.objects.count()
    browser = at_admin(staff("mara", *([role] if role else [])))
    form = {**targets(here, message.pk), "why": "forged", "confirmed": "1", "value": "600"}

    refused = [action for action, roles in PERMITTED.items() if role not in roles]
    answers = {
        browser.post("/admin/act/", {**form, "action": action}).status_code for action in refused
    }

    assert answers <= {403}
    here.boris.refresh_from_db()
    assert here.boris.is_active
    assert RoomEvent.objects.count() == events
    assert recorded(actor_name="mara") == []


OTHER_FORMS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "admin:report_act": ({"do": "dismiss", "reports": "1", "why": "x", "confirmed": "1"}, {M, A}),
    "admin:dead_letter_act": ({"action": "retry", "ids": "1-0"}, {A}),
    "admin:delivery_verify": ({"room": "general"}, {A, U}),
    "admin:shard_resume": ({"shard": "0", "kind": "persist", "why": "x"}, {A}),
    "admin:history_export_start": ({"format": "csv"}, {M, A}),
    "admin:audit_export_start": ({"format": "csv"}, {A, U}),
}


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_every_other_form_asks_for_its_right(password_alone: None, role: str) -> None:
    browser = at_admin(staff("mara", *([role] if role else [])))

    refused = {
        page
        for page, (form, _) in OTHER_FORMS.items()
        if browser.post(reverse(page), form).status_code == 403
    }

    assert refused == {page for page, (_, roles) in OTHER_FORMS.items() if role not in roles}


def test_link_to_an_act_does_nothing(password_alone: None) -> None:
    here = world()
    browser = at_admin(staff("mara", *ROLES))
    letter = dead_letters.add(
        source="persist",
        reason=Reason.REFUSED,
        error="e",
        origin=DeadLetterOrigin(seq=1),
        payload=b"",
    )
    addresses = [
        f"/admin/act/?action=room.archive&rooms={here.room.pk}&why=x&confirmed=1",
        "/admin/reports/act/?do=dismiss&reports=1",
        f"/admin/dead-letters/act/?action=discard&ids={letter}&why=x&confirmed=1",
        "/admin/dead-letters/jobs/00000000-0000-0000-0000-000000000000/step/",
        "/admin/delivery/resume/?shard=0&kind=persist&why=x",
        "/admin/delivery/verify/?room=1",
        "/admin/history/export/start/?format=csv",
        f"/admin/people/{here.boris.pk}/sessions/end/?all=1&why=x",
    ]

    answers = {browser.get(address).status_code for address in addresses}

    assert answers == {405}
    assert dead_letters.get(letter) is not None
    assert Room.objects.get(pk=here.room.pk).archived_at is None
    assert recorded(actor_name="mara") == []


def test_form_of_another_site_is_refused(password_alone: None) -> None:
    browser = at_admin(staff("mara", *ROLES), enforce_csrf_checks=True)

    answer = browser.post("/admin/act/", {"action": "room.archive", "rooms": "1"})

    assert answer.status_code == 403


# Nonsense

NUL_QUERIES = [
    "audit/?action=%00",
    "audit/?door=%00",
    "audit/?q=%00",
    "audit/?%00=1",
    "reports/?category=%00",
    "dead-letters/?source=%00",
    "dead-letters/%00/",
    "history/?q=%00",
    "chat/user/?q=%00",
    "chat/user/%00/change/",
    "chat/user/%00/password/",
]


@pytest.mark.parametrize("query", NUL_QUERIES)
def test_address_with_a_nul_is_refused(password_alone: None, query: str) -> None:
    browser = at_admin(staff("mara", *ROLES))

    assert browser.get(f"/admin/{query}").status_code == 400


def test_form_with_a_nul_is_refused(password_alone: None) -> None:
    boris = User.objects.create_user("boris")
    browser = at_admin(staff("mara", *ROLES))
    forms: dict[str, dict[str, Any]] = {
        "act/": {"action": Act.PERSON_MUTE, "people": boris.pk, "value": "600"},
        "reports/act/": {"do": "dismiss", "reports": "1"},
        "dead-letters/act/": {"action": "discard", "ids": "1-0"},
        "delivery/resume/": {"shard": "0", "kind": "persist"},
        f"people/{boris.pk}/sessions/end/": {"all": "1"},
    }

    answers = {
        address: browser.post(f"/admin/{address}", {**form, "why": "a\0b", "confirmed": "1"})
        for address, form in forms.items()
    }

    assert {address: answer.status_code for address, answer in answers.items()} == dict.fromkeys(
        forms, 400
    )
    assert recorded(actor_name="mara") == []


@pytest.mark.parametrize("id", ["abc", "0", "9" * 30])
def test_password_of_an_account_that_is_not_there_is_not_found(
    password_alone: None, id: str
) -> None:
    browser = at_admin(staff("mara", *ROLES))

    assert browser.get(f"/admin/chat/user/{id}/password/").status_code == 404


# Accounts


def test_rooms_and_groups_cannot_be_edited_even_by_a_superuser(password_alone: None) -> None:
    here = world()
    browser = at_admin(staff("root", is_superuser=True))
    group = Group.objects.create(name="mine")

    answers = [
        browser.post(f"/admin/chat/room/{here.room.pk}/change/", {"name": "Taken"}),
        browser.post("/admin/chat/room/add/", {"slug": "x", "name": "x", "kind": "public"}),
        browser.post(f"/admin/chat/room/{here.room.pk}/delete/", {"post": "yes"}),
        browser.post(f"/admin/auth/group/{group.pk}/change/", {"name": "x", "permissions": "1"}),
        browser.post(f"/admin/chat/user/{here.boris.pk}/delete/", {"post": "yes"}),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert Room.objects.get(pk=here.room.pk).name == "Plans"


def account_form(user: User, **changed: Any) -> dict[str, Any]:
    return {
        "username": user.username,
        "display_name": user.display_name,
        "email": user.email,
        **changed,
    }


def test_administrator_gives_groups_on_record_but_makes_no_superuser(password_alone: None) -> None:
    boss, boris = staff("boss", "administrator"), User.objects.create_user("boris")
    browser = at_admin(boss)
    group = Group.objects.get(name="moderator")

    answer = browser.post(
        f"/admin/chat/user/{boris.pk}/change/",
        account_form(boris, is_staff="on", is_superuser="on", groups=[group.pk]),
    )

    boris.refresh_from_db()
    assert answer.status_code == 302
    assert (boris.is_staff, boris.is_superuser) == (True, False)
    assert [entry.after for entry in recorded(action=Act.PERSON_GROUPS)] == [
        {"is_staff": True, "is_superuser": False},
        {"groups": ["moderator"]},
    ]


def test_every_changed_field_of_an_account_is_on_record_without_addresses_and_texts(
    password_alone: None,
) -> None:
    boris = User.objects.create_user("boris", email="boris@example.org")
    browser = at_admin(staff("boss", "administrator"))
    address = f"/admin/chat/user/{boris.pk}/change/"

    browser.post(address, account_form(boris, email="boss@example.org"))
    browser.post(
        address,
        account_form(
            boris, username="bob", display_name="Bobby", email="boss@example.org", is_staff="on"
        ),
    )
    boris.refresh_from_db()
    browser.post(address, account_form(boris, is_staff="on"))  # changes nothing

    assert (boris.username, boris.email) == ("bob", "boss@example.org")
    entries = recorded(actor_name="boss")
    assert [(entry.action, entry.before, entry.after) for entry in entries] == [
        (Act.PERSON_EDIT, {}, {"fields": ["email"]}),
        (
            Act.PERSON_GROUPS,
            {"is_staff": False, "is_superuser": False},
            {"is_staff": True, "is_superuser": False},
        ),
        (
            Act.PERSON_EDIT,
            {"username": "boris"},
            {"fields": ["username", "display_name"], "username": "bob"},
        ),
    ]
    assert {(entry.user_id, entry.outcome.result) for entry in entries} == {(boris.pk, "done")}


def test_edit_of_an_account_writes_nothing_but_what_was_changed(
    password_alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    boris = User.objects.create_user("boris")
    browser = at_admin(staff("boss", "administrator"))
    check = PersonAdmin.save_form

    def meanwhile(*given: Any, **more: Any) -> Any:
        """Somebody deactivates the account between the form's reading and its writing."""
        User.objects.filter(pk=boris.pk).update(is_active=False)
        return check(*given, **more)

    monkeypatch.setattr(PersonAdmin, "save_form", meanwhile)
    browser.post(f"/admin/chat/user/{boris.pk}/change/", account_form(boris, display_name="Bob"))

    boris.refresh_from_db()
    assert (boris.display_name, boris.is_active) == ("Bob", False)


def test_account_that_an_administrator_creates_is_on_record(password_alone: None) -> None:
    browser = at_admin(staff("boss", "administrator"))

    browser.post(
        "/admin/chat/user/add/",
        {
            "username": "newbie",
            "password1": PASSWORD,
            "password2": PASSWORD,
            "usable_password": "true",
        },
    )

    newbie = User.objects.get(username="newbie")
    [entry] = recorded(actor_name="boss")
    assert (entry.action, entry.user_id, entry.after) == (
        Act.PERSON_CREATE,
        newbie.pk,
        {"username": "newbie"},
    )


@pytest.mark.parametrize("name", ["ivаn", "сара", "ádmin", "BORIS", "-x"])
def test_name_that_could_not_be_signed_up_cannot_be_given_either(
    password_alone: None, name: str
) -> None:
    boris, vera = User.objects.create_user("boris"), User.objects.create_user("vera")
    browser = at_admin(staff("boss", "administrator"))

    added = browser.post(
        "/admin/chat/user/add/",
        {"username": name, "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"},
    )
    changed = browser.post(f"/admin/chat/user/{vera.pk}/change/", account_form(vera, username=name))

    for answer in (added, changed):
        assert list(answer.context["adminform"].form.errors) == ["username"]
    assert {one.username for one in User.objects.all()} == {"boris", "vera", "boss"}
    assert User.objects.get(username="boris") == boris


def test_name_given_by_an_administrator_is_the_one_to_sign_in_with(password_alone: None) -> None:
    vera = User.objects.create_user("vera")
    browser = at_admin(staff("boss", "administrator"))

    browser.post(f"/admin/chat/user/{vera.pk}/change/", account_form(vera, username="Anna"))

    vera.refresh_from_db()
    assert vera.username == "anna"
    assert User.objects.create_superuser("Root").username == "root"


def test_name_from_before_the_rule_does_not_keep_an_account_from_being_edited(
    password_alone: None,
) -> None:
    old = User.objects.create_user("support")
    User.objects.filter(pk=old.pk).update(username="Support")
    old.refresh_from_db()
    browser = at_admin(staff("boss", "administrator"))

    browser.post(f"/admin/chat/user/{old.pk}/change/", account_form(old, display_name="Help"))

    old.refresh_from_db()
    assert (old.username, old.display_name) == ("Support", "Help")


@pytest.mark.parametrize("whom", ["themselves", "a superuser"])
def test_nobody_edits_themselves_or_somebody_above_them(password_alone: None, whom: str) -> None:
    boss = staff("boss", "administrator")
    above = staff("root", is_superuser=True)
    subject = boss if whom == "themselves" else above
    browser = at_admin(boss)

    answers = [
        browser.post(
            f"/admin/chat/user/{subject.pk}/change/", account_form(subject, is_superuser="on")
        ),
        browser.post(
            f"/admin/chat/user/{subject.pk}/password/",
            {"password1": PASSWORD, "password2": PASSWORD},
        ),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert not User.objects.get(pk=boss.pk).is_superuser


def test_moderator_sees_no_addresses_and_cannot_edit_accounts(password_alone: None) -> None:
    boris = User.objects.create_user("boris", email="boris@example.org")
    browser = at_admin(staff("mara", "moderator"))

    page = browser.get(f"/admin/chat/user/{boris.pk}/change/")
    edited = browser.post(
        f"/admin/chat/user/{boris.pk}/change/", account_form(boris, is_staff="on")
    )

    assert page.status_code == 200
    assert b"boris@example.org" not in page.content
    assert edited.status_code == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("user/?username=boris&email__startswith=b", 400),
        ("user/?email__startswith=b", 400),
        ("user/?password__startswith=p", 400),
        ("user/?groups__user__email__startswith=b", 400),
        ("user/?memberships__room__topic__startswith=b", 400),
        ("room/?slug=plans&topic__icontains=secret", 400),
        ("room/?topic__icontains=secret", 400),
        ("room/?created_by__email__startswith=b", 400),
        ("apitoken/?digest__startswith=0", 400),
        ("apitoken/?user__email__startswith=b", 400),
        ("user/?q=boris&is_staff__exact=0&o=1", 200),
        ("user/?is_active__exact=1&groups__id__exact=1", 200),
        ("room/?kind__exact=private", 200),
    ],
)
def test_lists_are_narrowed_only_by_the_filters_they_offer(
    password_alone: None, query: str, status: int
) -> None:
    User.objects.create_user("boris", email="boris@example.org")
    mara = staff("mara", "moderator", "administrator")

    answer = at_admin(mara).get(f"/admin/chat/{query}")

    assert answer.status_code == status


def test_private_rooms_of_a_person_show_only_to_who_may_look_into_them(
    password_alone: None,
) -> None:
    here = world(kind=RoomKind.PRIVATE)
    said(here.room, here.boris, "hello")  # so that the membership is stored
    addresses = {
        here.room.slug: f"/admin/chat/user/{here.boris.pk}/change/",
        "boris": f"/admin/chat/room/{here.room.pk}/change/",
    }

    seen = {
        (role, what): what in browser.get(address).content.decode()
        for role in ("moderator", "administrator")
        for browser in [at_admin(staff(f"{role}x", role))]
        for what, address in addresses.items()
    }

    assert seen == {
        ("moderator", here.room.slug): True,
        ("moderator", "boris"): True,
        ("administrator", here.room.slug): False,
        ("administrator", "boris"): False,
    }


# Sessions


@pytest.fixture
def revoked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str | None]]:
    told: list[tuple[int, str | None]] = []
    publish: Callable[[str, dict[str, Any]], None] = to_hubs.publish_blocking

    def note(group: str, message: dict[str, Any]) -> None:
        if message["type"] == "revoke":
            told.append((message["user"], message["session"]))
        publish(group, message)

    monkeypatch.setattr(to_hubs, "publish_blocking", note)
    return told


def with_password(name: str) -> User:
    return User.objects.create_user(name, password=PASSWORD)


def signed_in(user: User) -> Client:
    browser = Client(headers={"User-Agent": "Firefox <script>alert(1)</script>"})
    browser.post("/accounts/login/", {"login": user.username, "password": PASSWORD})
    return browser


def test_administrator_ends_a_session_with_its_sockets(
    password_alone: None, revoked: list[tuple[int, str | None]]
) -> None:
    boris = with_password("boris")
    theirs = signed_in(boris)
    session = UserSession.objects.get(user=boris)
    browser = at_admin(staff("boss", "administrator"))
    page = browser.get(f"/admin/people/{boris.pk}/sessions/").content.decode()
    form = {"sessions": session.pk, "why": "a lost phone"}

    without_reason = browser.post(f"/admin/people/{boris.pk}/sessions/end/", {**form, "why": " "})
    still_in = theirs.get("/api/v1/me").status_code
    browser.post(f"/admin/people/{boris.pk}/sessions/end/", form)
    browser.post(f"/admin/people/{boris.pk}/sessions/end/", form)

    assert "Firefox &lt;script&gt;" in page
    assert (without_reason.status_code, still_in) == (302, 200)
    assert theirs.get("/api/v1/me").status_code == 401
    assert revoked[-1] == (boris.pk, session.session_key)
    [entry] = recorded(action=Act.PERSON_SESSIONS)
    assert (entry.reason, entry.user_id) == ("a lost phone", boris.pk)


def test_moderator_sees_nobodys_sessions(password_alone: None) -> None:
    boris = User.objects.create_user("boris")
    browser = at_admin(staff("mara", "moderator"))

    assert browser.get(f"/admin/people/{boris.pk}/sessions/").status_code == 403


def test_own_sessions_are_listed_and_ended_by_oneself(
    revoked: list[tuple[int, str | None]],
) -> None:
    boris = with_password("boris")
    at_home, at_work = signed_in(boris), signed_in(boris)
    old = UserSession.objects.filter(user=boris).order_by("pk")[0].session_key

    page = at_work.get(reverse("usersessions_list"))
    at_work.post(reverse("usersessions_list"))

    assert page.status_code == 200
    assert b"Firefox &lt;script&gt;" in page.content
    assert at_home.get("/api/v1/me").status_code == 401
    assert at_work.get("/api/v1/me").status_code == 200
    assert (boris.pk, old) in revoked


def test_password_that_an_administrator_sets_is_on_record(password_alone: None) -> None:
    boris = User.objects.create_user("boris")
    browser = at_admin(staff("boss", "administrator"))

    browser.post(
        f"/admin/chat/user/{boris.pk}/password/",
        {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"},
    )

    boris.refresh_from_db()
    assert boris.check_password(PASSWORD)
    [entry] = recorded(action=Act.PERSON_PASSWORD)
    assert (entry.user_id, entry.door) == (boris.pk, AuditEntry.Channel.ADMIN)
