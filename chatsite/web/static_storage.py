"""Static files under names with a hash of their content, so that browsers may keep them forever."""

from __future__ import annotations

from django.contrib.staticfiles.storage import StaticFilesStorage
from servestatic.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Files hashed and compressed by collectstatic; before its first run, the apps' plain files.

    So tests and a fresh checkout need no collectstatic.
    """

    def url(self, name: str | None, force: bool = False) -> str:
        if not self.hashed_files:
            return StaticFilesStorage.url(self, name)
        url: str = super().url(name, force)
        return url
