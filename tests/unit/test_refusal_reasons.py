"""Refusals that have one code are told apart by a reason, and said in the reader's language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.errors import RefusalReason

PROJECT = Path(__file__).resolve().parents[2]
REASONS = {str(reason) for reason in RefusalReason}


@pytest.mark.parametrize("language", ["en", "ru"])
def test_interface_has_a_sentence_for_each_reason(language: str) -> None:
    words = (PROJECT / f"chat/ui/src/lib/i18n/{language}.ts").read_text()
    block = re.search(r"^\treasons: \{\n(.*?)^\t\},", words, re.MULTILINE | re.DOTALL)

    assert block
    assert set(re.findall(r"^\t\t(\w+):", block[1], re.MULTILINE)) == REASONS


def test_documentation_tells_what_each_reason_means() -> None:
    text = (PROJECT / "docs/protocol.md").read_text()
    table = text.split("| `reason` | Meaning |")[1].split("\n\n")[0]

    named = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]

    assert set(re.findall(r"`(\w+)`", " ".join(named))) == REASONS
