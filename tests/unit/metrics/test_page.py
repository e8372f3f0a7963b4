"""Every metric is defined once, with all that its page says, and the page is the one in docs/."""

from __future__ import annotations

import re
import tomllib

import pytest

from chat.metrics import catalogue as metrics
from chat.metrics import page as metrics_page
from chat.metrics.types import DEFINITIONS, Definition, InstallationGauge, Where
from chatsite.env import BASE_DIR
from chatsite.version import VERSION

metrics_page.define_all()
ALL = pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=lambda one: one.name)
# What a label must never hold, as there is no end of them.
UNBOUNDED = {"room", "user", "actor", "key", "seq", "name", "id", "path", "url"}


def test_page_in_the_documents_is_made_from_the_definitions() -> None:
    page = (BASE_DIR / "docs" / "metrics.md").read_text()

    assert page == metrics_page.text(), "run: manage.py metrics_page"


@ALL
def test_metric_says_what_it_is(definition: Definition) -> None:
    assert re.fullmatch(r"veche(_[a-z]+)+", definition.name)
    assert definition.name.endswith("_total") == (definition.type == "counter")
    assert definition.help.endswith(".")
    assert definition.unit
    assert "|" not in definition.help
    for unit in ("seconds", "bytes"):
        if definition.unit == unit:
            assert unit in definition.name


@ALL
def test_labels_have_few_values(definition: Definition) -> None:
    assert definition.labels.keys().isdisjoint(UNBOUNDED)
    assert all(definition.labels.values())


@ALL
def test_page_has_a_row_for_the_metric(definition: Definition) -> None:
    [row] = [
        line for line in metrics_page.text().splitlines() if f"| `{definition.name}` |" in line
    ]

    assert definition.help in row
    assert all(f"`{label}`: " in row for label in definition.labels)


def test_metrics_of_the_installation_are_not_kept_in_a_process() -> None:
    for value in vars(metrics).values():
        if isinstance(value, InstallationGauge):
            assert value.definition.where is Where.INSTALLATION
    kept = {one.name for one in DEFINITIONS.values() if one.where is Where.INSTALLATION}
    shown = {
        one.definition.name for one in vars(metrics).values() if isinstance(one, InstallationGauge)
    }
    assert kept == shown


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())

    assert project["project"]["version"] == VERSION
