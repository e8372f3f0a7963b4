from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from localstack.chromium import chromium
from localstack.running_stack import RunningStack
from tests.acceptance.desk import WIDE, Desk
from tests.acceptance.people import PATIENCE_MS, People, SignedIn
from tests.support import migrated_postgres

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
    migrated_postgres.put_into(stack.folder / "var")
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as browser:
        yield browser


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


@pytest.fixture
def desks(browser: Browser, stack: RunningStack, signed_in: SignedIn) -> Iterator[Any]:
    """Makes desks with the administrator signed in; at desks made `anew` nobody is."""
    made: list[Desk] = []

    def desk(
        viewport: Any = WIDE, scheme: Any = "light", locale: str = "en-GB", *, anew: bool = False
    ) -> Desk:
        context = browser.new_context(
            viewport=viewport, color_scheme=scheme, locale=locale, accept_downloads=True
        )
        made.append(Desk(context, stack.address))
        if anew:
            return made[-1]
        if "anna" in signed_in:
            context.add_cookies(signed_in["anna"])
        else:
            made[-1].sign_in("anna", stack.accounts()["anna"])
            signed_in["anna"] = context.cookies()
        return made[-1]

    yield desk
    for one in made:
        one.context.close()
    assert [complaint for one in made for complaint in one.complaints] == []
