"""Taking a query apart."""

from __future__ import annotations

import pytest

from chat.queries.search_query import Piece, is_enough, parse


def told(text: str) -> list[list[str]]:
    return [[shown(piece) for piece in pieces] for pieces in parse(text).alternatives]


def shown(piece: Piece) -> str:
    return ("-" if piece.excluded else "") + (f"[{piece.text}]" if piece.exact else piece.text)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("one two", [["one", "two"]]),
        ("one OR two three", [["one"], ["two", "three"]]),
        ('"a phrase" more', [["[a phrase]", "more"]]),
        ("«фраза из слов»", [["[фраза из слов]"]]),
        ('left "open', [["left", "[open]"]]),
        ('cake -"with nuts"', [["cake", "-[with nuts]"]]),
        ("cake -nuts", [["cake", "-nuts"]]),
        ("git push --force", [["git", "push", "--force"]]),
        ("-rf", [["-rf"]]),
        ("-1 -2", [["-1", "-2"]]),
        ("or", [["or"]]),
        ("or or", [["or", "or"]]),
        ("a or", [["a"]]),
        ('""', [['""']]),
        ("Really?! Yes, now…", [["Really", "Yes", "now"]]),
        ("?!", [["?!"]]),
        ('name="a b"', [['name="a', 'b"']]),
    ],
)
def test_query_is_read_in_pieces(text: str, pieces: list[list[str]]) -> None:
    assert told(text) == pieces


@pytest.mark.parametrize("text", ["ab", "😀", "\U0001fa77", "猫", "て", "€", "→", ":)"])
def test_what_stands_for_something_is_enough(text: str) -> None:
    assert is_enough(text)


@pytest.mark.parametrize("text", ["", "a", "я", "1", ".", "é"])
def test_one_letter_is_too_little(text: str) -> None:
    assert not is_enough(text)
