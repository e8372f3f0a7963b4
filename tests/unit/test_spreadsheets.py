"""Cells of tables that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from analytics.reading.responses import table_answer
from analytics.reading.schemas import EmojiRow
from chat.admin.kit.export import as_csv
from chat.spreadsheets import cell

FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =cmd|' /C calc'!A0", "＝1+1", "＋1",
    "－1", "＠SUM(A1)", "\u3000＝1", "\u00a0=1", "\ufeff=1", "\u200b=1",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_text_is_never_a_formula_in_any_export(text: str) -> None:
    assert cell(text) == f"'{text}"
    [row] = csv.DictReader(io.StringIO(as_csv([{"body": text}], head=True), newline=""))
    assert row["body"] == f"'{text}"
    body = {"rows": [{"emoji": text, "added": 1, "removed": 0}]}
    answer = table_answer("csv", "emoji", EmojiRow, body).content.decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(answer, newline="")))["emoji"] == f"'{text}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a=b", "a=b"), (-5, -5), (None, ""), ("", ""), ("  text", "  text"),
        (datetime(2026, 11, 29, tzinfo=UTC), "2026-11-29T00:00:00+00:00"), ({"a": 1}, '{"a": 1}'),
    ],
)  # fmt: skip
def test_anything_else_stays_as_it_is(value: Any, shown: Any) -> None:
    assert cell(value) == shown
