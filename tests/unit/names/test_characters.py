"""What readers see, in names, bodies and addresses."""

from __future__ import annotations

import pytest

from chat.errors import ClientError
from chat.names.characters import is_visible
from chat.names.labels import check_label, check_room_name, slug_of
from chat.names.usernames import check_username, normalise
from chat.protocol import check_body

# Of Unicode 15 to 17; Python 3.11 knows 14.
YOUNG = ["\U0001fa77", "\U0001fae8", "\U0001fabf", "\U0001fac6", "\U0001fac8", "\U00031350"]
NOTHING = [
    "\u3164", "\u2800", "\ufe0f", "\U000e0100", "\u180b", "\u115f", "\uffa0", "\u034f", "\u17b4",
    "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u3000", "\u00a0", "\U0001d159",
    "\U000e0041",
]  # fmt: skip


@pytest.mark.parametrize("text", YOUNG)
def test_emoji_that_are_younger_than_python_are_names_and_bodies(text: str) -> None:
    assert check_label(text, "Name", 80) == text
    assert check_label(f"Team {text}", "Name", 80) == f"Team {text}"
    check_body(text)
    assert is_visible(text)


@pytest.mark.parametrize("text", NOTHING)
def test_what_nobody_sees_is_no_name_and_no_body(text: str) -> None:
    for several in (text, text * 3, f" {text} {text} "):
        with pytest.raises(ClientError):
            check_label(several, "Name", 80)
        with pytest.raises(ClientError) as caught:
            check_body(several)
        assert caught.value.code == "empty"


@pytest.mark.parametrize("text", ["\u0301" * 3, "\u0378", "\uffff", "\U0001ffff", "\ue000"])
def test_marks_alone_and_what_is_no_character_are_no_names(text: str) -> None:
    with pytest.raises(ClientError):
        check_label(text, "Name", 80)


@pytest.mark.parametrize("text", ["&nbsp;", "&#8203;", "&amp;", "\u0905\u0902", "!", "\u2713"])
def test_what_is_seen_is_a_body(text: str) -> None:
    """Entities are text: they are shown as they are typed."""
    check_body(text)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("हिन्दी", "हिन्दी"),
        ("हिन्दी चर्चा", "हिन्दी-चर्चा"),
        ("ภาษาไทย ง่าย", "ภาษาไทย-ง่าย"),
        ("தமிழ்", "தமிழ்"),
        ("İstanbul", "istanbul"),
        ("Straße 5", "straße-5"),
        ("e\u0301t\u00e9", "été"),
        ("\U0001fa77\ufe0f", "room"),
        ("a\u180bb", "ab"),
    ],
)
def test_address_keeps_what_belongs_to_a_word(name: str, slug: str) -> None:
    assert slug_of(name) == slug.replace("ำ", "\u0e4d\u0e32")


def test_istanbul_is_a_user_name_and_a_room() -> None:
    assert normalise("İstanbul") == "istanbul"
    assert normalise("i\u0307stanbul") == "istanbul"
    check_username(normalise("İSTANBUL"))
    assert check_room_name("İstanbul") == "İstanbul"
