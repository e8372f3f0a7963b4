"""Names that more than one person has: who is told, and what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from pytest_django.fixtures import Settings

from chat.accounts import people, shown_names
from chat.models import User
from localstack.web_process import WebProcess
from tests.support.account_world import PASSWORD, person, signed_in
from tests.support.admin_world import at_admin, staff, without_second_factor
from tests.support.chat_world import Api, make_user
from tests.support.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    log = tmp_path_factory.mktemp("web") / "server.log"
    with django_db_blocker.unblock(), web_process(log) as process:
        yield process


def ambiguous() -> set[str]:
    return set(User.objects.filter(name_is_shared=True).values_list("username", flat=True))


def rename(user: User, name: str) -> None:
    user.display_name = name
    user.save(update_fields=["display_name"])


def test_name_of_another_person_makes_both_ambiguous_until_one_changes_it() -> None:
    anna, boris = person("anna", display_name="Anna"), person("boris", display_name="Boris")
    before = ambiguous()

    rename(boris, "ANNA")
    both = ambiguous()
    rename(boris, "Boris")

    assert (before, both, ambiguous()) == (set(), {"anna", "boris"}, set())
    assert people.by_ids([anna.pk])[anna.pk].ambiguous is False


def test_look_alike_and_user_name_of_another_person_are_ambiguous_too() -> None:
    person("coco", display_name="Somebody")
    person("eve", display_name="сосо")  # Cyrillic, and like a user name
    person("alice")
    person("mallory", display_name="AIice")

    assert ambiguous() == {"eve", "alice", "mallory"}


def test_of_three_with_one_name_two_stay_ambiguous() -> None:
    one, two, three = (person(f"anna{number}", display_name="Anna") for number in (1, 2, 3))

    rename(three, "Olga")
    after_one = ambiguous()
    two.delete()
    rename(one, "Anna")

    assert after_one == {"anna1", "anna2"}


def test_two_who_take_one_name_at_once_are_both_ambiguous() -> None:
    users = [person(f"user{number}") for number in range(8)]

    def take(user: User) -> None:
        try:
            rename(user, "Anna")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, users))

    assert ambiguous() == {user.username for user in users}


def test_rows_written_past_the_model_are_filled_in_after_migrate() -> None:
    person("anna", display_name="Anna")
    User.objects.bulk_create(
        [User(username=f"old{number}", display_name="Anna", password="!") for number in range(3)]
    )
    before = ambiguous()

    call_command("migrate", verbosity=0)

    assert before == set()
    assert ambiguous() == {"anna", "old0", "old1", "old2"}
    assert shown_names.fill_in() == 0


def test_who_shares_a_name_is_found_in_one_pass_and_after_an_attempt_that_was_cut_off() -> None:
    # Comparing each of so many names with all others takes twenty minutes; a statement has 15 s.
    number_of_people = 20_000
    shared = {"user-1", "user-2", "user-7"}
    alike = {1: ["anna"], 2: ["anna", "other"], 3: ["alone"], 7: ["user-8"]}
    User.objects.bulk_create(
        [
            User(
                username=f"user-{number}",
                password="!",
                name_skeletons=alike.get(number, [f"person-{number}"]),
                username_skeletons=[f"user-{number}"],
            )
            for number in range(number_of_people)
        ],
        batch_size=5_000,
    )
    # As autovacuum does a minute later: without it the planner takes the table for an empty one.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_user")

    filled = shown_names.fill_in()

    assert (filled, ambiguous()) == (0, shared)


async def test_rest_says_who_is_ambiguous() -> None:
    await make_user("boris", display_name="Anna")
    anna = await make_user("anna", display_name="Anna")

    found = (await Api(anna).get("users?q=anna")).body
    me = (await Api(anna).get("me")).body

    assert {(user["username"], user["ambiguous"]) for user in found} == {
        ("anna", True),
        ("boris", True),
    }
    assert me["ambiguous"] is True


async def test_open_pages_hear_of_a_new_name_and_of_whom_it_makes_ambiguous(
    server: WebProcess,
) -> None:
    anna = await make_user("anna", display_name="Anna")
    boris = await make_user("boris", display_name="Boris")
    async with await ChatClient.hello(server, anna) as a:
        await a.pong()
        await sync_to_async(rename)(boris, "Anna")
        told = [(await a.receive("person"))["user"] for _ in range(2)]

    assert {(user["username"], user["name"], user["ambiguous"]) for user in told} == {
        ("anna", "Anna", True),
        ("boris", "Anna", True),
    }


async def test_deactivated_person_is_known_as_such_and_open_pages_are_told(
    server: WebProcess,
) -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = (await Api(anna).post("direct", {"user": boris.pk})).body
    async with await ChatClient.hello(server, anna) as page:
        await page.pong()
        for active in (False, True):
            boris.is_active = active
            await sync_to_async(boris.save)()

            told = (await page.receive("person"))["user"]
            peer = (await Api(anna).get(f"rooms/{room['id']}")).body["peer"]
            listed = (await Api(anna).get(f"users?ids={boris.pk}")).body[0]

            assert told["id"] == boris.pk
            assert [told.get("deactivated", False), peer["deactivated"], listed["deactivated"]] == [
                not active
            ] * 3


# Where names are given


@pytest.mark.parametrize("name", ["Administrator", "аdmin", "Anna @boris", "Bоris"])
def test_sign_up_and_change_of_name_refuse_it(name: str) -> None:
    entered = {"password1": PASSWORD, "password2": PASSWORD}
    new = Client().post("/accounts/signup/", {"username": "eve", "display_name": name, **entered})
    anna = person("anna")

    changed = signed_in("anna").post("/accounts/name/", {"display_name": name})

    anna.refresh_from_db()
    assert (new.status_code, changed.status_code, anna.display_name) == (200, 200, "")
    assert not User.objects.filter(username="eve").exists()


def test_administrator_calls_staff_what_they_are_and_nobody_else(settings: Settings) -> None:
    without_second_factor(settings)
    mara, anna = staff("mara", "moderator"), person("anna")
    boss = at_admin(staff("boss", "administrator"))

    def give(user: User, name: str, **more: str) -> str:
        form = {"username": user.username, "display_name": name, "email": "", **more}
        boss.post(f"/admin/chat/user/{user.pk}/change/", form)
        user.refresh_from_db()
        return user.display_name

    assert give(mara, "Moderator", is_staff="on") == "Moderator"
    assert give(anna, "Moderator") == ""
    assert give(anna, "Anna") == "Anna"
    assert give(mara, "Administrator") == "Moderator"  # who is staff no more with this change


def test_staff_keep_a_name_they_were_given_when_they_save_the_page() -> None:
    mara = person("mara", display_name="Moderator", is_staff=True)

    answer = signed_in("mara").post("/accounts/name/", {"display_name": "Moderator"})

    mara.refresh_from_db()
    assert (answer.status_code, mara.display_name) == (302, "Moderator")
