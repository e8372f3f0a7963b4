"""Names that people could take for another one's are refused."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from chat.names import usernames


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Anna", "anna"),
        ("  anna ", "anna"),
        ("ａｎｎａ", "anna"),  # full-width letters
        ("ﬁona", "fiona"),  # a ligature
        ("АННА", "анна"),
        ("Ёлка", "ёлка"),
    ],
)
def test_spellings_of_one_name_are_one_name(typed: str, kept: str) -> None:
    assert usernames.normalise(typed) == kept


@pytest.mark.parametrize(
    "name", ["anna", "anna.petrova", "o-neil", "j_d", "x2", "zoë", "анна", "рома", "иван-2", "їжак"]
)
def test_ordinary_names_of_one_alphabet_are_fine(name: str) -> None:
    usernames.check_username(usernames.normalise(name))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a", "length"),
        ("a" * 41, "length"),
        ("12", "no_letter"),
        ("аnna", "characters"),  # a Cyrillic а before Latin letters
        ("annа", "characters"),
        ("pаypal", "characters"),
        ("ivаn", "characters"),
        ("ѕсоре", "look_alike"),  # all Cyrillic, reads as "scope"
        ("сара", "look_alike"),
        ("ανna", "characters"),  # Greek
        ("a\u200bnna", "characters"),
        ("an\u0301\u0301na", "characters"),
        ("a\u202enna", "characters"),
        ("anna\x00", "characters"),
        ("an na", "characters"),
        ("anna@x", "characters"),
        ("-anna", "characters"),
        ("anna.", "characters"),
        ("an..na", "characters"),
        ("<b>anna", "characters"),
        ("ıvan", "characters"),  # a dotless i
        ("admin", "reserved"),
        ("ａｄｍｉｎ", "reserved"),
        ("ádmin", "reserved"),
        ("Поддержка", "reserved"),
        ("😀😀", "characters"),
    ],
)
def test_names_that_mislead_are_refused(name: str, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        usernames.check_username(usernames.normalise(name))

    assert refused.value.code == code
