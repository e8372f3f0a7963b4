"""Templates are kept so that a change shows as the lines that changed."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "chat/templates"
ALL_TEMPLATES = [*TEMPLATES.rglob("*.*"), *(ROOT / "analytics/templates").rglob("*.*")]
MAX_CHARACTERS = 120


def test_no_line_of_a_template_is_longer_than_120_characters() -> None:
    long = [
        f"{template.relative_to(ROOT)}:{number}"
        for template in sorted(ALL_TEMPLATES)
        for number, line in enumerate(template.read_text().splitlines(), 1)
        if len(line) > MAX_CHARACTERS
    ]

    assert long == []


def test_every_piece_of_the_admins_pages_is_in_the_list_of_pieces() -> None:
    listed = (ROOT / "docs/admin.md").read_text()

    assert [
        piece.stem
        for piece in sorted((TEMPLATES / "admin/veche/pieces").glob("*.html"))
        if f"`{piece.stem}`" not in listed
    ] == []
