"""A dashboard as rows of panels, and its JSON as Grafana reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.generator.panels import DATA_SOURCE, Panel, built

TAG = "veche"
# Both Prometheus of docker-compose.yml and that of `make monitor` serve the runbooks there. In
# other setups add ?var-runbooks=https://… to the address of a dashboard.
RUNBOOKS = "http://localhost:9090/user/runbooks"
FIRING = 'ALERTS{alertstate="firing"}'


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Choice:
    """A variable: the values that `label` has in the series of `metric`."""

    name: str
    title: str
    metric: str
    label: str


@dataclass(frozen=True)
class Board:
    """A dashboard. `name` is its file name and, with `veche-` in front, its address."""

    name: str
    title: str
    advice: str
    rows: Sequence[Row]
    choices: Sequence[Choice] = ()
    since: str = "now-1h"

    @property
    def panels(self) -> list[Panel]:
        return [panel for row in self.rows for panel in row.panels]

    def as_json(self) -> str:
        made = (
            builders.Dashboard(self.title)
            .uid(f"veche-{self.name}")
            .description(self.advice)
            .tags([TAG])
            .timezone("browser")
            .time(self.since, "now")
            .refresh("15s")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .variables([*map(variable, self.choices), runbooks_variable()])
            .links([other_boards()])
            .annotations([firing_alerts()])
        )
        for row in self.rows:
            made.with_row(builders.Row(row.title))
            for panel in row.panels:
                made.with_panel(built(panel))
        dashboard = made.build()
        # The SDK assigns no ids. Without them Grafana assigns its own, different at each change.
        for place, panel_or_row in enumerate(dashboard.panels or (), start=1):
            panel_or_row.id_val = place
        return json.dumps(dashboard, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def variable(choice: Choice) -> builders.QueryVariable:
    return (
        builders.QueryVariable(choice.name)
        .label(choice.title)
        .datasource(DATA_SOURCE)
        .query(f"label_values({choice.metric}, {choice.label})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(text="All", value="$__all"))
    )


def runbooks_variable() -> builders.TextBoxVariable:
    """Where links to runbooks lead; a constant could not be set in a dashboard's address."""
    return (
        builders.TextBoxVariable("runbooks")
        .default_value(RUNBOOKS)
        .hide(models.VariableHide.HIDE_VARIABLE)
    )


def other_boards() -> builders.DashboardLink:
    return (
        builders.DashboardLink("Veche")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .keep_time(True)
        .include_vars(False)
    )


def firing_alerts() -> builders.AnnotationQuery:
    """Marks on every panel the time ranges in which alerts fired."""
    return (
        builders.AnnotationQuery()
        .name("Alerts")
        .datasource(DATA_SOURCE)
        .enable(True)
        .icon_color("red")
        .expr(FIRING)
    )
