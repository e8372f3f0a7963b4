"""One form of each emoji, whoever sends it and wherever it comes from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.events import EventType, Reaction, decode_data
from chat.events.emoji import canonical

PICKER = Path(__file__).parents[3] / "chat" / "ui" / "src" / "lib" / "emoji.ts"


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("\U0001f44d", "\U0001f44d"),
        ("\U0001f44d\ufe0f", "\U0001f44d"),
        ("\u2764", "\u2764\ufe0f"),
        ("\u2764\ufe0f", "\u2764\ufe0f"),
        ("\U0001f3f3\u200d\U0001f308", "\U0001f3f3\ufe0f\u200d\U0001f308"),
        ("\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f3f3\ufe0f\u200d\U0001f308"),
        ("1\u20e3", "1\ufe0f\u20e3"),
        ("1\ufe0f\u20e3", "1\ufe0f\u20e3"),
        ("\U0001f575\u200d\u2642", "\U0001f575\ufe0f\u200d\u2642\ufe0f"),
        ("\u2139", "\u2139\ufe0f"),
    ],
)
def test_forms_of_one_emoji_are_one(typed: str, form: str) -> None:
    assert canonical(typed) == form
    assert Reaction(target=1, emoji=typed).emoji == form


@pytest.mark.parametrize(
    "text",
    [
        "", "\ufe0f", "\u0301" * 30, "\u202e", "\U0001f1f7", "+49 170 1234567", "1", "#", "a",
        "\U0001f3fd", "\U0001f44d\U0001f44d", "\u200d", "\u20e3", "\U0001f1f7\U0001f1f7",
        "\u2713", "\U0001f44d\u0301", "\U0001f44d\u200d", "\U000e0067",
    ],
)  # fmt: skip
def test_what_is_no_emoji_has_no_form(text: str) -> None:
    assert canonical(text) is None


def test_reactions_of_older_logs_are_read_in_the_canonical_form() -> None:
    old = '{"target":7,"emoji":"\u2764","count":2}'.encode()

    assert decode_data(EventType.REACTION_ADDED, old) == Reaction(
        target=7, emoji="\u2764\ufe0f", count=2
    )


def test_what_older_versions_took_and_is_no_emoji_stays_readable() -> None:
    old = '{"target":7,"emoji":"\u2713"}'.encode()

    data = decode_data(EventType.REACTION_REMOVED, old)

    assert data == Reaction(target=7, emoji="\u2713")


def test_emoji_that_are_offered_at_first_have_canonical_forms() -> None:
    # The others are in tests/acceptance/test_writing.py: what a build makes of the picker's data.
    first = re.search(r'COMMON: string\[\] =\s*"([^"]+)"', PICKER.read_text())

    assert first is not None
    assert [one for one in first[1].split() if canonical(one) != one] == []
