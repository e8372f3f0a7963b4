"""The analytics page says everything in Russian, too."""

from __future__ import annotations

import ast
import gettext
from pathlib import Path

from tests.unit.test_translations import entries_of, texts_of_templates

ANALYTICS = Path(__file__).parents[3] / "analytics"
RUSSIAN = ANALYTICS / "locale/ru/LC_MESSAGES"


def texts_of_the_page() -> set[str]:
    found = texts_of_templates(ANALYTICS / "templates")
    for node in ast.walk(ast.parse((ANALYTICS / "reading/views.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            assert isinstance(node.args[0], ast.Constant)
            found.add(str(node.args[0].value))
    return found


def test_every_text_of_the_page_is_translated_and_no_translation_is_left_over() -> None:
    source = entries_of(RUSSIAN / "django.po")

    assert len(source) > 30
    assert set(source) == texts_of_the_page()
    assert all(source.values())


def test_compiled_translations_are_those_of_the_source() -> None:
    with (RUSSIAN / "django.mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]

    compiled = {text: translated for text, translated in catalogue.items() if text}
    assert compiled == entries_of(RUSSIAN / "django.po")
