"""Dashboards are made by a program and committed: both agree, and panels explain themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from chatsite.env import BASE_DIR
from deploy.grafana.generator.board import RUNBOOKS, Board
from deploy.grafana.generator.boards import BOARDS, FOLDER
from deploy.grafana.generator.panels import DATA_SOURCE, WIDTH, Panel
from tests.monitoring.promql import unknown_labels, unknown_metrics

GRAFANA = BASE_DIR / "deploy" / "grafana"
PANELS = [
    pytest.param(panel, id=f"{board.name}: {panel.title}")
    for board in BOARDS
    for panel in board.panels
]
# Grafana's names; any other is shown as a word behind the number.
UNITS = {"short", "s", "bytes", "percentunit", "cps", "reqps"}


def committed(board: Board) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{board.name}.json").read_text())
    return found


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_committed_dashboard_is_the_one_that_is_made(board: Board) -> None:
    """Otherwise: `make dashboards`, and look at the difference."""
    assert (FOLDER / f"{board.name}.json").read_text() == board.as_json()


def test_no_other_dashboard_is_committed() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == {board.name for board in BOARDS}


@pytest.mark.parametrize("panel", PANELS)
def test_panel_says_what_it_shows_and_what_to_do(panel: Panel) -> None:
    assert panel.title[0].isupper()
    assert len(panel.title) <= 52
    assert panel.advice.endswith((".", ")."))
    assert len(panel.advice) >= 40
    assert panel.unit in UNITS
    assert panel.queries
    if len(panel.queries) > 1:
        assert all(query.legend for query in panel.queries)
    if panel.runbook is not None:
        assert (BASE_DIR / "docs" / "runbooks" / f"{panel.runbook}.md").exists()


@pytest.mark.parametrize("panel", PANELS)
def test_panel_asks_for_metrics_and_labels_that_are_defined(panel: Panel) -> None:
    for query in panel.queries:
        assert unknown_metrics(query.expr) == set()
        assert unknown_labels(query.expr, query.legend) == set()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_panels_fill_the_page_without_overlap(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in committed(board)["panels"]:
        place = panel["gridPos"]
        cells = {
            (column, line)
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= WIDTH
        taken |= cells
    for row in board.rows:
        assert sum(panel.width for panel in row.panels) % WIDTH == 0, row.title


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_dashboards_lead_to_each_other_and_to_the_runbooks(board: Board) -> None:
    made = committed(board)
    numbers = [panel["id"] for panel in made["panels"]]
    runbooks = [link["url"] for panel in made["panels"] for link in panel.get("links", ())]

    assert made["uid"] == f"veche-{board.name}"
    assert [link["tags"] for link in made["links"]] == [made["tags"]]
    assert len(set(numbers)) == len(numbers)
    assert runbooks
    assert all(url.startswith("${runbooks}/") for url in runbooks)


def test_grafana_finds_the_dashboards_and_their_data_at_its_first_start() -> None:
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
    providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/veche.yml").read_text())
    services = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]
    prometheus = yaml.safe_load((BASE_DIR / "deploy/prometheus/prometheus.yml").read_text())

    (source,) = sources["datasources"]
    (provider,) = providers["providers"]
    mounted = {tuple(volume.split(":")[:2]) for volume in services["grafana"]["volumes"]}
    assert (source["type"], source["uid"]) == (DATA_SOURCE.type_val, DATA_SOURCE.uid)
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    assert ("./deploy/grafana/dashboards", provider["options"]["path"]) in mounted
    assert ("./deploy/grafana/provisioning", "/etc/grafana/provisioning") in mounted


def test_prometheus_of_compose_shows_the_runbooks_where_links_lead() -> None:
    services = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]
    prometheus = services["prometheus"]

    assert "--web.external-url=http://localhost:${PROMETHEUS_PORT:-9090}" in prometheus["command"]
    assert "--web.user-assets=/etc/veche/docs" in prometheus["command"]
    assert "./docs:/etc/veche/docs:ro" in prometheus["volumes"]
    assert RUNBOOKS == "http://localhost:9090/user/runbooks"
    # People's messages are not in it, but nobody else needs to see it.
    assert prometheus["ports"] == ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"]


def test_prometheus_of_compose_asks_every_service_that_shows_metrics() -> None:
    services = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]
    prometheus = yaml.safe_load((BASE_DIR / "deploy/prometheus/prometheus.yml").read_text())
    asked = json.dumps(prometheus["scrape_configs"])

    exporters = {name for name in services if name.endswith("-exporter")}
    assert {name for name in exporters if f"{name}:" not in asked} == set()
    for job in prometheus["scrape_configs"]:
        for discovery in job.get("dns_sd_configs", ()):
            assert set(discovery["names"]) <= services.keys()
