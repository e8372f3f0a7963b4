"""Names and topics: one line, in which nothing is hidden."""

from __future__ import annotations

import uuid

import pytest

from chat.actions.rooms import derived_key
from chat.errors import ClientError
from chat.names.labels import check_room_name, check_topic, slug_of
from chat.protocol.rules import UUID7


def test_names_keep_one_space_between_words_and_one_form_of_each_letter() -> None:
    assert check_room_name("  Release \t\n plans ") == "Release plans"
    assert check_room_name("Cafe\u0301") == "Caf\u00e9"
    assert check_room_name("👩‍👩‍👧 семья") == "👩‍👩‍👧 семья"
    assert check_topic("  ") == ""


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "empty"),
        ("\u200b\u200d", "empty"),
        ("x" * 81, "too_large"),
        ("x" * 1_000_000, "too_large"),
        ("\x00", "bad_request"),
        ("a\x1b[31m", "bad_request"),
        ("\udc00", "bad_request"),
        ("a\u2066b", "bad_request"),
    ],
)
def test_names_that_cannot_be_shown_are_refused(name: str, code: str) -> None:
    with pytest.raises(ClientError) as refused:
        check_room_name(name)

    assert refused.value.code == code


def test_topic_of_invisible_characters_is_refused() -> None:
    with pytest.raises(ClientError):
        check_topic("\u200b")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Release plans", "release-plans"),
        ("Планы № 5", "планы-no-5"),
        ("👍", "room"),
        ("--", "room"),
    ],
)
def test_every_name_gives_a_slug(name: str, slug: str) -> None:
    assert slug_of(name) == slug
    assert len(slug_of(name * 200)) <= 60


def test_derived_key_is_another_uuid7_of_the_same_time() -> None:
    key = uuid.UUID("01a2026f-32ea-740a-a85a-08094d23031c")

    derived = derived_key(key, "joined 1")

    assert UUID7.fullmatch(str(derived))
    assert derived != key
    assert str(derived)[:13] == str(key)[:13]
    assert derived == derived_key(key, "joined 1")
    assert derived != derived_key(key, "joined 2")
