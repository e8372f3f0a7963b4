"""Every text of the pages has its Russian one, and the compiled file is the one in the source."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

from django.utils.translation.template import templatize

CHAT = Path(__file__).parents[2] / "chat"
RUSSIAN = CHAT / "locale/ru/LC_MESSAGES"
# What `templatize`, which `makemessages` reads templates with, makes of a text in one of them.
TEMPLATE_TEXT = re.compile(r"""(?:gettext|_)\(u?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\)""")


def source() -> dict[str, str]:
    return entries_of(RUSSIAN / "django.po")


def entries_of(file: Path) -> dict[str, str]:
    """msgid → msgstr of a .po file, which uses one line or several for each."""
    entries: dict[str, str] = {}
    field, texts = "", {"msgid": "", "msgstr": ""}
    lines = [*file.read_text().splitlines(), "msgid"]
    for line in lines:
        name, _, rest = line.partition(" ")
        if name == "msgid":
            if texts["msgid"]:
                entries[texts["msgid"]] = texts["msgstr"]
            texts = {"msgid": "", "msgstr": ""}
        if name in texts:
            field, line = name, rest
        if line.startswith('"'):
            texts[field] += ast.literal_eval(line)
    return entries


def compiled() -> dict[str, str]:
    with (RUSSIAN / "django.mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {text: translated for text, translated in catalogue.items() if text}


def texts_of_templates(folder: Path) -> set[str]:
    found = set()
    for template in (*folder.rglob("*.html"), *folder.rglob("*.txt")):
        for literal in TEMPLATE_TEXT.findall(templatize(template.read_text())):
            found.add(ast.literal_eval(literal))
    return found


def texts_of_code() -> set[str]:
    """First arguments of `_(…)`, `gettext(…)` and `gettext_lazy(…)`; adjacent strings are one."""
    found = set()
    for module in CHAT.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"_", "gettext", "gettext_lazy"}
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(str(node.args[0].value))
    return found


def test_every_text_is_translated_and_no_translation_is_left_over() -> None:
    texts = texts_of_templates(CHAT / "templates") | texts_of_code()

    assert len(texts) > 30
    assert texts == set(source())
    assert all(source().values())


def test_compiled_translations_are_those_of_the_source() -> None:
    assert compiled() == source()


def test_placeholders_survive_translation() -> None:
    for text, translated in source().items():
        assert re.findall(r"%\(\w+\)s", text) == re.findall(r"%\(\w+\)s", translated)
