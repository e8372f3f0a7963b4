"""Values of tables that spreadsheets open: never a formula. Pure.

Excel and LibreOffice take a cell that begins like one for a formula; with East Asian settings also
in full width, and after white space. An apostrophe in front makes it a text.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

FORMULA_BEGINNINGS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
# Programs skip these in front of a formula.
UNSEEN = " \u00a0\u200b\u2060\u3000\ufeff"
CONTROL_BEGINNINGS = ("\t", "\r", "\n")


def cell(value: Any) -> Any:
    """A value as it stands in a table: one line where it is data, and nothing for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and (
        value.startswith(CONTROL_BEGINNINGS) or value.lstrip(UNSEEN).startswith(FORMULA_BEGINNINGS)
    ):
        return f"'{value}"
    return value
