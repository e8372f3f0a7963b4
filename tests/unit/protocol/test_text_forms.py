"""The patterns of the documents against the checks of the server, for single characters."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable

import pytest

from chat.errors import ClientError
from chat.names.labels import check_label, check_text
from chat.protocol import MAX_ID, check_body, text_forms
from chat.protocol.text_forms import ROOM_NUMBER

# All of the planes where things differ, but surrogates, which no JSON text in UTF-8 holds; and some
# of the others, which are one alphabet each or empty.
CODES = [
    *range(0xD800),
    *range(0xE000, 0x20000),
    *range(0x20000, 0xE0000, 0x1FFF),
    *range(0xE0000, 0xE0200),
    *range(0xEFFF0, sys.maxunicode + 1, 0xFFF),
    sys.maxunicode,
]


def passes(check: Callable[[str], object], text: str) -> bool:
    """Whether the check accepts it, or refuses it for a rule that no schema can express."""
    try:
        check(text)
    except ClientError as error:
        return error.rule is not None
    return True


@pytest.mark.parametrize(
    ("pattern", "check", "around"),
    [
        (text_forms.LABEL, lambda text: check_label(text, "x", 80), ""),
        (text_forms.LABEL, lambda text: check_label(text, "x", 80), "a"),
        (
            text_forms.LABEL_OR_NOTHING,
            lambda text: check_label(text, "x", 80, may_be_empty=True),
            "",
        ),
        (text_forms.LINES, lambda text: check_text(text, "x", 80), ""),
        (text_forms.BODY, check_body, ""),
        (text_forms.BODY, check_body, "a"),
    ],
)
def test_pattern_tells_which_characters_pass(
    pattern: str, check: Callable[[str], object], around: str
) -> None:
    compiled = re.compile(pattern.removesuffix("$") + r"\Z")

    differ = [
        hex(code)
        for code in CODES
        for text in [f"{around}{chr(code)}{around}"]
        if passes(check, text) != bool(compiled.match(text))
        # Assigned since, which is known to newer versions of Python only.
        and unicodedata.category(chr(code)) != "Cn"
    ]

    assert differ == []


@pytest.mark.parametrize("near", [1, 9, 10**15, 9 * 10**15, MAX_ID])
def test_rooms_as_names_go_from_one_to_the_largest_number(near: int) -> None:
    numbers = range(max(0, near - 50), near + 50)

    named = [number for number in numbers if re.fullmatch(ROOM_NUMBER, str(number))]

    assert named == [number for number in numbers if 1 <= number <= MAX_ID]
    assert not re.fullmatch(ROOM_NUMBER, "01")
