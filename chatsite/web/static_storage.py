"""Static files under names with a hash of their content, so that browsers may keep them forever."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.staticfiles.storage import StaticFilesStorage
from servestatic.middleware import ServeStaticMiddleware
from servestatic.storage import CompressedManifestStaticFilesStorage

# As chat/ui/built-page.ts names files, and as deploy/nginx/nginx.conf recognises them.
BUILT = re.compile(r"/build/assets/[^/]+\.[0-9a-f]{12}\.[a-z0-9]+$")


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Files hashed and compressed by collectstatic; before its first run, the apps' plain files.

    So tests and a fresh checkout need no collectstatic.
    """

    def url(self, name: str | None, force: bool = False) -> str:
        if not self.hashed_files:
            return StaticFilesStorage.url(self, name)
        url: str = super().url(name, force)
        return url

    def file_hash(self, name: str | None, content: Any = None) -> str | None:
        """None for what the UI's build has named by content: such files import one another."""
        if name is not None and BUILT.search(name):
            return None
        digest: str | None = super().file_hash(name, content)
        return digest


class StaticFiles(ServeStaticMiddleware):  # type: ignore[misc]
    """Serves static files; browsers may keep those whose names have a digest for ever."""

    def immutable_file_test(self, path: str, url: str) -> bool:
        return BUILT.search(url) is not None or bool(super().immutable_file_test(path, url))
