"""The management commands of this part, run as an operator runs them."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from chat.accounts import tokens
from chat.models import Membership, Message, Reaction, Room, RoomEvent, User
from chat.persistence import drain

pytestmark = pytest.mark.django_db(transaction=True)


def run(*command: str, **options: Any) -> str:
    output = io.StringIO()
    call_command(*command, stdout=output, stderr=io.StringIO(), **options)
    return output.getvalue()


def store_everything() -> None:
    for shard in range(settings.ENV.shards):
        drain.drain(shard)


def test_bootstrap_makes_general_once() -> None:
    first, second = run("bootstrap"), run("bootstrap")

    assert first == second
    assert Room.objects.get().slug == "general"


def test_log_lines_do_not_mix_with_what_a_command_prints() -> None:
    program = (
        "import django, logging; django.setup();"
        "logging.getLogger('kafka').warning('slow'); print('{}')"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == "{}\n"
    assert "slow" in done.stderr


def test_issued_token_is_the_only_output_and_works() -> None:
    anna = User.objects.create(username="anna")

    text = run("issue_token", "anna", "--name", "nightly job").strip()

    verified = tokens.verify(text)
    assert verified is not None
    assert verified.user_id == anna.pk
    assert anna.api_tokens.get().name == "nightly job"


def test_token_of_nobody_is_an_error() -> None:
    User.objects.create(username="gone", is_active=False)

    for username in ("nobody", "gone"):
        with pytest.raises(CommandError):
            run("issue_token", username)


def test_seed_fills_people_rooms_and_messages_and_adds_nothing_the_second_time() -> None:
    amounts = ("--users", "12", "--rooms", "4", "--messages", "700")

    first = run("seed_demo", *amounts)
    unstored = run("seed_demo", *amounts)
    store_everything()
    counted = [
        model.objects.count() for model in (User, Room, Membership, Message, Reaction, RoomEvent)
    ]
    stored = run("seed_demo", *amounts)
    store_everything()
    again = [
        model.objects.count() for model in (User, Room, Membership, Message, Reaction, RoomEvent)
    ]

    assert not first.endswith("\n0 events added")
    assert "\n0 events added" in unstored
    assert "\n0 events added" in stored
    assert counted == again
    people, rooms, _, messages, reactions, _ = counted
    assert (people, rooms, messages) == (12, 5, 700)
    assert reactions > 20


def test_larger_seed_completes_a_smaller_one() -> None:
    run("seed_demo", "--users", "4", "--rooms", "2", "--messages", "50")
    run("seed_demo", "--users", "4", "--rooms", "2", "--messages", "80")
    store_everything()

    assert Message.objects.count() == 80


def test_seeded_people_cannot_sign_in_without_a_password_given() -> None:
    run("seed_demo", "--users", "2", "--rooms", "1", "--messages", "0")
    run("seed_demo", "--users", "3", "--rooms", "1", "--messages", "0", "--password", "tall-Oak-42")

    usable = {user.username: user.has_usable_password() for user in User.objects.all()}
    assert usable == {"anna": False, "boris": False, "maria.petrova": True}


@pytest.mark.parametrize("amount", ["1", "0", "-5", "x", "1e6", "99999999999999999999"])
def test_amounts_that_make_no_sense_are_refused(amount: str) -> None:
    with pytest.raises(CommandError):
        run("seed_demo", "--users", amount)
