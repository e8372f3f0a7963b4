from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.acceptance.people import PATIENCE_MS, People, SignedIn
from tests.acceptance.stack import RunningStack

HERE = Path(__file__).parent
# A test has dozens of steps, and on a machine with other work each takes many times as long.
TEST_SECONDS = 420
# Screenshots of every test, to be looked at.
SHOTS = Path(os.environ.get("SCREENSHOTS", "var/screenshots"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    stack = RunningStack(tmp_path_factory.mktemp("stack"))
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    if executable is None:
        pytest.fail("No Chromium found; `make test` says how to get one.")
    # Chromium's own start-up requests go nowhere on a machine without a network and only delay it.
    arguments = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # it cannot make one as root
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in() -> SignedIn:
    return {}


@pytest.fixture
def people(
    browser: Browser, stack: RunningStack, signed_in: SignedIn, request: pytest.FixtureRequest
) -> Iterator[People]:
    """Opens the chat for people; keeps a screenshot of each when the test ends."""
    people = People(browser, stack, signed_in)
    yield people
    people.leave(SHOTS, request.node.name)
