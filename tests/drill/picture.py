"""The picture of a drill: faults, throughput and watermarks over time, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import msgspec

WIDTH = 1160
LEFT, RIGHT = 64, 12
LANE = 18
PANEL = 110
GAP = 34

Points = Sequence[tuple[float, float | None]]


class Bar(msgspec.Struct, frozen=True):
    """A fault on its lane: active from `start` to `end`, felt until `flows`."""

    lane: str
    start: float
    end: float
    flows: float
    text: str
    bad: bool = False


class Line(msgspec.Struct, frozen=True):
    """A series; None where the value is unknown. `color` is a CSS class."""

    name: str
    color: str
    points: Points


class Panel(msgspec.Struct, frozen=True):
    title: str
    lines: list[Line]


class Picture:
    """Draws `bars` above `panels`, over `seconds`."""

    def __init__(self, seconds: float, bars: Sequence[Bar], panels: Sequence[Panel]) -> None:
        self._seconds = max(seconds, 1.0)
        self._bars = bars
        self._panels = panels
        self._parts: list[str] = []

    def draw(self) -> str:
        lanes = sorted({bar.lane for bar in self._bars})
        bottom = len(lanes) * LANE + 8
        height = bottom + len(self._panels) * (PANEL + GAP) + 24
        self._time_lines(height - 24)
        self._draw_bars(lanes)
        for number, panel in enumerate(self._panels):
            self._draw_panel(panel, bottom + GAP + number * (PANEL + GAP))
        body = "\n".join(self._parts)
        return (
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="Faults, throughput and watermarks over time">\n{body}\n</svg>'
        )

    def _x(self, at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at / self._seconds, 0.0), 1.0)

    def _time_lines(self, bottom: float) -> None:
        step = next((one for one in (10, 30, 60, 120, 300, 600) if self._seconds / one <= 14), 1800)
        for at in range(0, int(self._seconds) + 1, step):
            x = self._x(at)
            label = f"{at // 60}:{at % 60:02}"
            self._parts.append(
                f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>'
            )
            self._parts.append(f'<text class="time" x="{x:.1f}" y="{bottom + 16}">{label}</text>')

    def _draw_bars(self, lanes: Sequence[str]) -> None:
        for number, lane in enumerate(lanes):
            y = number * LANE
            self._parts.append(
                f'<text class="lane" x="{LEFT - 6}" y="{y + 12}">{escape(lane)}</text>'
            )
            for bar in self._bars:
                if bar.lane != lane:
                    continue
                start, end, flows = map(self._x, (bar.start, bar.end, bar.flows))
                color = "bad" if bar.bad else "fault"
                self._parts.append(
                    f"<g><title>{escape(bar.text)}</title>"
                    f'<rect class="felt" x="{start:.1f}" y="{y + 2}" '
                    f'width="{max(flows - start, 2):.1f}" height="{LANE - 5}"/>'
                    f'<rect class="{color}" x="{start:.1f}" y="{y + 2}" '
                    f'width="{max(end - start, 2):.1f}" height="{LANE - 5}"/></g>'
                )

    def _draw_panel(self, panel: Panel, top: float) -> None:
        values = [value for line in panel.lines for _, value in line.points if value is not None]
        highest = max([*values, 1.0])
        bottom = top + PANEL
        legend = "".join(
            f'<tspan class="{line.color}" dx="14">■ {escape(line.name)}</tspan>'
            for line in panel.lines
        )
        self._parts.append(
            f'<text class="title" x="{LEFT}" y="{top - 8}">{escape(panel.title)}{legend}</text>'
        )
        for share in (0.0, 0.5, 1.0):
            y = bottom - PANEL * share
            self._parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
                f'<text class="lane" x="{LEFT - 6}" y="{y + 4}">{highest * share:,.0f}</text>'
            )
        for line in panel.lines:
            for run in _runs(line.points):
                path = " ".join(
                    f"{self._x(at):.1f},{bottom - PANEL * value / highest:.1f}" for at, value in run
                )
                self._parts.append(f'<polyline class="line {line.color}" points="{path}"/>')


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    """The stretches in which values are known."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is not None:
            runs[-1].append((at, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
