"""Files that the UI's build has named by content keep their names: they import one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from chatsite.web.static_storage import StaticFiles, StaticStorage

ENTRY = "chat/build/assets/main.0123456789ab.js"
CHUNK = "chat/build/assets/Dialogs.ba9876543210.js"
STYLES = "chat/build/assets/main.00112233aabb.css"


@pytest.fixture
def collected(tmp_path: Path, settings: Any) -> Path:
    """The folder of a collectstatic over two scripts that import one another."""
    source, root = tmp_path / "source", tmp_path / "root"
    for name, text in {
        ENTRY: 'import("./Dialogs.ba9876543210.js")',
        CHUNK: 'import "./main.0123456789ab.js"',
        STYLES: ".a { color: red }",
        "chat/css/tokens.css": ":root { --a: 1px }",
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [source]
    settings.STATIC_ROOT = root
    call_command("collectstatic", interactive=False, verbosity=0)
    return root


def test_built_files_keep_the_names_by_which_they_import_one_another(collected: Path) -> None:
    storage = StaticStorage(location=collected)

    for name in (ENTRY, CHUNK, STYLES):
        assert storage.url(name) == f"/static/{name}"
        assert (collected / name).read_text()
    assert storage.url("chat/css/tokens.css") != "/static/chat/css/tokens.css"


def test_browsers_may_keep_what_is_named_by_its_content(collected: Path) -> None:
    async def nothing_else(request: Any) -> None: ...

    files = StaticFiles(nothing_else)

    assert files.immutable_file_test("", f"/static/{CHUNK}")
    assert not files.immutable_file_test("", "/static/chat/img/mark.svg")
