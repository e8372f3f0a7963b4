"""Lets all of Django's test clients reuse the static files that the first one found.

Every test client makes all middleware anew, and each time ServeStatic looks at each static file of
each app.
"""

from __future__ import annotations

from typing import Any

from servestatic.middleware import ServeStaticMiddleware

_find = ServeStaticMiddleware.add_files_from_finders
_found: dict[str, Any] = {}


def add_files_from_finders(self: ServeStaticMiddleware) -> None:
    """Replaces `ServeStaticMiddleware.add_files_from_finders`."""
    if not _found:
        _find(self)
        _found.update(files=self.files, directories=self.directories)
    vars(self).update(_found)


def install() -> None:
    ServeStaticMiddleware.add_files_from_finders = add_files_from_finders
