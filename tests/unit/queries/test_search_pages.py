"""Cursors: what is written is read again, and nothing else is."""

from __future__ import annotations

import base64
import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import ClientError
from chat.queries.search_pages import (
    LATEST,
    MAX_CHARACTERS,
    PATTERN,
    Block,
    Cursor,
    Place,
    read,
    written,
)

PLACES = st.builds(Place, st.integers(0, LATEST), st.integers(0, 2**63 - 1))
BLOCKS = st.builds(Block, PLACES, st.integers(0, 2**40), PLACES)


@given(st.builds(Cursor, PLACES, st.none() | BLOCKS))
def test_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    text = written(cursor)

    assert re.fullmatch(PATTERN, text)
    assert len(text) <= MAX_CHARACTERS
    assert read(text) == cursor


@given(
    st.text(max_size=MAX_CHARACTERS)
    | st.binary(max_size=100).map(base64.urlsafe_b64encode).map(bytes.decode)
)
def test_anything_else_is_refused_or_harmless(text: str) -> None:
    with contextlib.suppress(ClientError):
        assert read(text).before.at <= LATEST


@pytest.mark.parametrize(
    "json",
    [
        "[]",
        "[[1]]",
        "[[-1,2]]",
        f"[[{2**62},1]]",
        f"[[1,{2**63}]]",
        "[[1,2],[[1,2],NaN,[1,2]]]",
        "null",
        "[[1e3,2]]",
    ],
)
def test_places_that_postgresql_does_not_know_are_refused(json: str) -> None:
    text = base64.urlsafe_b64encode(json.encode()).rstrip(b"=").decode()

    with pytest.raises(ClientError):
        read(text)
