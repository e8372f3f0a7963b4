"""Prometheus for tests: Debian's package, which `.ci/prometheus` installs."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str) -> str:
    """The path of a program; without it CI fails, and people at home skip the test."""
    found = shutil.which(name)
    if found is None:
        text = f"{name} is not on PATH: .ci/prometheus installs it"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


@pytest.fixture(scope="session")
def promtool_path() -> str:
    return program("promtool")
