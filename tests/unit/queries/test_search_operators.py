"""Taking the operators of a search text apart, whatever somebody types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.queries.search_operators import OPERATORS, Operator, take_apart
from chat.queries.search_query import parse


def told(text: str) -> tuple[str, list[str]]:
    parts = take_apart(text)
    return parts.words, [shown(one) for one in parts.operators]


def shown(one: Operator) -> str:
    return f"{'-' if one.excluded else ''}{one.name}={one.value}"


@pytest.mark.parametrize(
    ("text", "words", "operators"),
    [
        ("from:anna", "", ["from=anna"]),
        ("from:@anna lunch in:#general", "lunch", ["from=@anna", "in=#general"]),
        ("From:Anna HAS:link", "", ["from=Anna", "has=link"]),
        ('from:"Anna Karenina" lunch', "lunch", ["from=Anna Karenina"]),
        ("from:«Анна Каренина»", "", ["from=Анна Каренина"]),
        ('in:"left open', "", ["in=left open"]),
        ("-from:anna -in:plans -has:code", "", ["-from=anna", "-in=plans", "-has=code"]),
        ("before:2026-11-20 on:today", "", ["before=2026-11-20", "on=today"]),
        ("from:anna or from:boris", "", ["from=anna", "from=boris"]),
        ("bread or from:boris", "bread or", ["from=boris"]),
        ("bread or butter from:boris", "bread or butter", ["from=boris"]),
        ('"from:anna"', '"from:anna"', []),
        ('say "in:general here" in:general', 'say "in:general here"', ["in=general"]),
        ('-"from:anna x" y', '-"from:anna x" y', []),
        ("from: anna", "from: anna", []),
        ('from:""', 'from:""', []),
        ("xfrom:anna from:", "xfrom:anna from:", []),
        ("-before:2026-11-20", "-before:2026-11-20", []),
        ("https://example.com db:5432 std::vector", "https://example.com db:5432 std::vector", []),
        ("in:a:b", "", ["in=a:b"]),
        ("", "", []),
    ],
)  # fmt: skip
def test_operators_are_taken_out_of_the_words(text: str, words: str, operators: list[str]) -> None:
    assert told(text) == (words, operators)


PIECES = [*(f"{name}:" for name in OPERATORS), '"', "-", " ", "or", "“", "link", "2026-11-29", "@"]
TEXTS = st.text(max_size=500) | st.lists(
    st.sampled_from(PIECES) | st.text(max_size=5), max_size=200
).map("".join)


@given(TEXTS)
def test_every_text_can_be_taken_apart(text: str) -> None:
    parts = take_apart(text)

    for one in parts.operators:
        assert one.name in OPERATORS
        assert one.value.strip()
        assert one.typed in text
    assert len(parts.words) + sum(len(one.typed) for one in parts.operators) <= len(text)
    if parts.words:
        assert parse(parts.words).alternatives


@given(st.text(max_size=200).filter(lambda text: '"' not in text))
def test_nothing_in_quotes_is_an_operator(text: str) -> None:
    if not any(quote in text for quote in "“”„«»"):
        assert take_apart(f'"{text}"').operators == []


@given(st.text(alphabet=st.characters(exclude_characters='"“”„«»:'), max_size=200))
def test_text_without_operators_stays_what_it_was(text: str) -> None:
    assert take_apart(text).words.split() == text.split()
