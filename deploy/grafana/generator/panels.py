"""The parts of all dashboards: numbers, lines, rows, and how they look.

A query may use `$__rate_interval`, and the variables `$instance` and `$task` where its dashboard
has them. Series that exist only after something went wrong are queried with `or vector(0)` or
`or_none`: a panel without data would look broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

DATA_SOURCE = models.DataSourceRef(type_val="prometheus", uid="veche-prometheus")
# Grafana's grid is 24 columns wide.
WIDTH = 24
NUMBER_HEIGHT = 4
LINES_HEIGHT = 8

GREEN, ORANGE, RED = "green", "orange", "red"


@dataclass(frozen=True)
class Query:
    """PromQL, and the name of each resulting series: plain words, or a label in {{braces}}."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Limits:
    """From where on a value is worrying, and bad; `low` True when small values are bad."""

    warning: float
    bad: float
    low: bool = False

    def steps(self) -> list[models.Threshold]:
        if self.low:
            return [
                models.Threshold(value=None, color=RED),
                models.Threshold(value=self.bad, color=ORANGE),
                models.Threshold(value=self.warning, color=GREEN),
            ]
        return [
            models.Threshold(value=None, color=GREEN),
            models.Threshold(value=self.warning, color=ORANGE),
            models.Threshold(value=self.bad, color=RED),
        ]


@dataclass(frozen=True)
class Panel:
    """One panel. `unit` is Grafana's name for the unit; `advice` says what the panel shows and what
    to do about it; `runbook` is a page of docs/runbooks, without `.md`."""

    title: str
    advice: str
    queries: Sequence[Query]
    unit: str
    kind: Literal["number", "lines"] = "lines"
    width: int = 8
    limits: Limits | None = None
    words: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Value → (word shown instead of it, colour)."""
    stacked: bool = False
    runbook: str | None = None


def number(
    title: str,
    advice: str,
    expr: str,
    unit: str = "short",
    *,
    width: int = 4,
    limits: Limits | None = None,
    words: dict[int, tuple[str, str]] | None = None,
    runbook: str | None = None,
) -> Panel:
    """One large number with its recent history behind it."""
    return Panel(
        title,
        advice,
        [Query(expr)],
        unit,
        kind="number",
        width=width,
        limits=limits,
        words=words or {},
        runbook=runbook,
    )


def lines(
    title: str,
    advice: str,
    *queries: Query,
    unit: str = "short",
    width: int = 8,
    limits: Limits | None = None,
    stacked: bool = False,
    runbook: str | None = None,
) -> Panel:
    """A line over time for each series."""
    return Panel(
        title, advice, queries, unit, width=width, limits=limits, stacked=stacked, runbook=runbook
    )


def percentiles(histogram: str, by: str = "", matchers: str = "") -> list[Query]:
    """The median, and the waits that one in twenty and one in a hundred exceed.

    `by` is a label whose values get lines of their own.
    """
    grouping = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return [
        Query(
            f"histogram_quantile({share}, "
            f"sum by ({grouping}) (rate({histogram}_bucket{matchers}[$__rate_interval])))",
            f"{legend}{name}",
        )
        for share, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
    ]


def or_none(query: str, label: str) -> str:
    """The series of `query`; while there are none, a line at 0 whose `label` is `none`."""
    return f'{query} or on () label_replace(vector(0), "{label}", "none", "", "")'


def built(panel: Panel) -> stat.Panel | timeseries.Panel:
    """The SDK's builder of a panel."""
    made = _number(panel) if panel.kind == "number" else _lines(panel)
    made.title(panel.title).description(panel.advice).datasource(DATA_SOURCE).unit(panel.unit)
    made.span(panel.width)
    if panel.limits is not None:
        made.thresholds(
            builders.ThresholdsConfig()
            .mode(models.ThresholdsMode.ABSOLUTE)
            .steps(panel.limits.steps())
        )
    if panel.runbook is not None:
        made.links([runbook_link(panel.runbook)])
    return made


def _number(panel: Panel) -> stat.Panel:
    made = stat.Panel().height(NUMBER_HEIGHT)
    made.graph_mode(common.BigValueGraphMode.AREA).justify_mode(common.BigValueJustifyMode.AUTO)
    coloured = panel.limits is not None or panel.words
    made.color_mode(common.BigValueColorMode.VALUE)
    if not coloured:
        made.color_scheme(
            builders.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color("text")
        )
    made.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    if panel.words:
        made.graph_mode(common.BigValueGraphMode.NONE)
        made.mappings(
            [
                models.ValueMap(
                    options={
                        str(value): models.ValueMappingResult(text=word, color=colour)
                        for value, (word, colour) in panel.words.items()
                    }
                )
            ]
        )
    (query,) = panel.queries
    return made.with_target(target(query, "A"))


def _lines(panel: Panel) -> timeseries.Panel:
    made = timeseries.Panel().height(LINES_HEIGHT).min(0)
    made.line_width(1.5).fill_opacity(40 if panel.stacked else 8)
    made.show_points(common.VisibilityMode.NEVER)
    if panel.stacked:
        made.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if panel.limits is not None:
        made.thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(
                # The name is spelled like this in the SDK.
                common.GraphTresholdsStyleMode.DASHED
            )
        )
    made.legend(
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    made.tooltip(
        common_builders.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    )
    for place, query in enumerate(panel.queries):
        made.with_target(target(query, chr(ord("A") + place)))
    return made


def target(query: Query, ref_id: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend or "__auto")
        .ref_id(ref_id)
        .range()
    )


def runbook_link(page: str) -> builders.DashboardLink:
    return (
        builders.DashboardLink("Runbook")
        .type(models.DashboardLinkType.LINK)
        .url(f"${{runbooks}}/{page}.md")
        .target_blank(True)
    )
