"""The results of a drill, for programs (report.json) and for people (report.html, one file)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from tests.drill import history
from tests.drill.checker import Verdict, Violation
from tests.drill.evidence import slices
from tests.drill.flow import Flow
from tests.drill.picture import Bar, Line, Panel, Picture

# A broken part can break every message; the first violations say enough.
VIOLATIONS_SHOWN = 50
LINES_SHOWN = 10  # of them on a terminal
FLOWS = Flow.__struct_fields__


class Done(msgspec.Struct, kw_only=True):
    """A fault that was injected. Times are the recorder's; `flow` counts from `flow_from`."""

    number: int
    kind: str
    target: str
    injected: float
    healed: float
    flow_from: float
    flow: Flow
    flows: bool

    @property
    def longest(self) -> float:
        return max(value or 0.0 for value in msgspec.structs.astuple(self.flow))


class Outcome(msgspec.Struct, kw_only=True):
    """Everything that a drill found out. `quiet_seconds`: from the last request's answer until
    everything was stored, published and shown to everybody."""

    name: str
    settings: dict[str, Any]
    seconds: float
    faults: list[Done] = []
    verdict: Verdict
    verification: dict[str, Any] | None = None
    quiet_seconds: float | None = None
    letters: dict[str, int] = {}
    answers_cut: int = 0
    started_again: int = 0
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    notes: list[str] = []
    errors_in_logs: dict[str, int] = {}

    @property
    def is_clean(self) -> bool:
        return not self.verdict.violations


class Longest(msgspec.Struct, kw_only=True):
    """A kind of fault: how often it came, and the longest times until messages flowed again."""

    times: int = 0
    flow: Flow = msgspec.field(default_factory=Flow)


def by_kind(faults: Iterable[Done]) -> dict[str, Longest]:
    found: dict[str, Longest] = {}
    for fault in faults:
        one = found.setdefault(fault.kind, Longest())
        one.times += 1
        for name in FLOWS:
            values = (getattr(one.flow, name), getattr(fault.flow, name))
            known = [value for value in values if value is not None]
            setattr(one.flow, name, max(known) if known else None)
    return dict(sorted(found.items()))


def write(folder: Path, outcome: Outcome) -> None:
    """Write both reports into `folder`, beside the history."""
    path = folder / "history.jsonl"
    shown = outcome.verdict.violations[:VIOLATIONS_SHOWN]
    evidence = slices(history.read(path), shown)
    found = msgspec.to_builtins(outcome)
    found["by_kind"] = msgspec.to_builtins(by_kind(outcome.faults))
    found["violations_by_kind"] = dict(outcome.verdict.kinds())
    for violation, lines in zip(found["verdict"]["violations"], evidence, strict=False):
        violation["evidence"] = lines
    text = msgspec.json.format(msgspec.json.encode(found), indent=1)
    (folder / "report.json").write_bytes(text)
    (folder / "report.html").write_text(page(outcome, evidence, picture(path, outcome)))


def errors_in_logs(folder: Path) -> dict[str, int]:
    """How often Veche's processes logged each error. Faults cause some; a new kind is worth a
    look."""
    found: Counter[str] = Counter()
    for path in sorted(folder.glob("*.log")):
        part = path.stem.rstrip("-1234567890")
        if part not in {"web", "worker", "beat"}:
            continue
        for line in path.read_text(errors="replace").splitlines():
            if " ERROR" in line or " CRITICAL" in line or "Error: " in line:
                # Without time and process, so that equal errors are counted together.
                message = line.partition("ERROR")[2] or line.partition("CRITICAL")[2] or line
                found[f"{part}: {''.join('#' if c.isdigit() else c for c in message)[:160]}"] += 1
    return dict(found.most_common(40))


def picture(path: Path, outcome: Outcome) -> str:
    counts: dict[str, Counter[int]] = {"ok": Counter(), "info": Counter(), "shown": Counter()}
    unstored: list[tuple[float, float | None]] = []
    unpublished: list[tuple[float, float | None]] = []
    for record in history.read(path):
        second = int(record.at)
        match record:
            case history.Ok():
                counts["ok"][second] += 1
            case history.Info():
                counts["info"][second] += 1
            case history.Frame():
                counts["shown"][second] += len(record.events)
            case history.Sample():
                unstored.append((record.at, _lag(record.head, record.stored)))
                unpublished.append((record.at, _lag(record.stored, record.exported)))
    seconds = range(int(outcome.seconds) + 1)
    series: dict[str, list[tuple[float, float | None]]] = {
        name: [(float(at), float(count[at])) for at in seconds] for name, count in counts.items()
    }
    bars = [
        Bar(
            _lane(fault.kind),
            fault.injected,
            fault.healed,
            fault.flow_from + fault.longest,
            f"{fault.number} {fault.kind} {fault.target}",
            not fault.flows,
        )
        for fault in outcome.faults
    ]
    panels = [
        Panel(
            "Requests per second",
            [Line("acknowledged", "c1", series["ok"]), Line("no answer", "c2", series["info"])],
        ),
        Panel("Events shown to people, per second", [Line("shown", "c1", series["shown"])]),
        Panel(
            "Watermarks: events on their way",
            [
                Line("logged, not stored", "c1", unstored),
                Line("stored, not published", "c2", unpublished),
            ],
        ),
    ]
    return Picture(outcome.seconds, bars, panels).draw()


def _lag(ahead: int | None, behind: int | None) -> float | None:
    return None if ahead is None or behind is None else float(max(ahead - behind, 0))


def _lane(kind: str) -> str:
    for lane in ("kill", "freeze"):
        if kind.startswith(lane):
            return lane
    if kind in {"rolling restart", "too many", "two at once"}:
        return "deploy" if kind != "two at once" else "two"
    links = ("delay", "throttle", "black hole", "answers", "refused", "connections cut", "half")
    return "link" if kind.startswith(links) else "server"


STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #667; --back: #fff; --rule: #d8dde4;
  --c1: #1f6feb; --c2: #c2410c; --felt: #f3c98b; --fault: #c2410c; --bad: #d00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b2; --back: #14181f;
  --rule: #2c333d; --c1: #6aa8ff; --c2: #ff9d5c; --felt: #6b4b21; --fault: #ff9d5c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
  max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 14px; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--rule); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
pre { overflow: auto; max-height: 22rem; font-size: 12px; border: 1px solid var(--rule);
  padding: .6rem; }
.verdict { font-size: 1.3rem; } .wrong { color: var(--bad); }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
.lane { text-anchor: end; } .time { text-anchor: middle; } svg .title { fill: var(--ink); }
.grid { stroke: var(--rule); stroke-width: .6; } .line { fill: none; stroke-width: 1.2; }
.line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); }
svg tspan.c1 { fill: var(--c1); } svg tspan.c2 { fill: var(--c2); }
.felt { fill: var(--felt); } .fault { fill: var(--fault); } .bad { fill: var(--bad); }
"""


def page(outcome: Outcome, evidence: Sequence[Sequence[str]], svg: str) -> str:
    wrong = len(outcome.verdict.violations)
    verdict = (
        '<p class="verdict">No violation.</p>'
        if outcome.is_clean
        else f'<p class="verdict wrong">{wrong:,} violations.</p>'
    )
    sections = [
        f"<h1>{escape(outcome.name)}</h1>",
        verdict,
        *(f"<p>{escape(note)}</p>" for note in outcome.notes),
        svg,
        "<h2>Figures</h2>",
        _table(("", ""), [(name, value) for name, value in _figures(outcome)]),
        "<h2>Time to flow again</h2>",
        "<p>Longest, in seconds, counted from the end of the fault, or from the kill.</p>",
        _table(
            ("Fault", "times", *FLOWS),
            [
                (kind, one.times, *(getattr(one.flow, name) for name in FLOWS))
                for kind, one in by_kind(outcome.faults).items()
            ],
        ),
        *_violations(outcome.verdict.violations, evidence),
        "<h2>All faults</h2>",
        _table(
            ("", "Fault", "to", "at", "for", *FLOWS),
            [
                (
                    one.number,
                    one.kind,
                    one.target,
                    one.injected,
                    one.healed - one.injected,
                    *(getattr(one.flow, name) for name in FLOWS),
                )
                for one in outcome.faults
            ],
        ),
        "<h2>Errors in the logs</h2>",
        _table(("times", ""), [(count, text) for text, count in outcome.errors_in_logs.items()]),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(outcome.name)}'
        f"</title>\n<style>{STYLE}</style>\n" + "\n".join(sections) + "\n</html>\n"
    )


def _figures(outcome: Outcome) -> Iterable[tuple[str, object]]:
    verdict = outcome.verdict
    yield from outcome.settings.items()
    yield "seconds", outcome.seconds
    yield "faults", len(outcome.faults)
    for name in verdict.__struct_fields__:
        if name != "violations":
            yield name.replace("_", " "), getattr(verdict, name)
    yield "answers cut", outcome.answers_cut
    yield "parts started again", outcome.started_again
    yield "dead letters", sum(outcome.letters.values())
    yield "seconds until all was quiet", outcome.quiet_seconds
    yield "load of the machine", " ".join(f"{one:.1f}" for one in outcome.load)


def _violations(
    violations: Sequence[Violation], evidence: Sequence[Sequence[str]]
) -> Iterable[str]:
    if not violations:
        return
    yield "<h2>Violations</h2>"
    for violation, lines in zip(violations, evidence, strict=False):
        place = "" if violation.room is None else f" (room {violation.room} seq {violation.seq})"
        yield f"<h3>{escape(violation.kind + place)}</h3><p>{escape(violation.text)}</p>"
        if lines:
            yield "<pre>" + escape("\n".join(lines)) + "</pre>"
    if len(violations) > len(evidence):
        yield f"<p>… and {len(violations) - len(evidence):,} more</p>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    header = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><tr>{header}</tr>\n{body}</table>"


def _cell(value: object) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"<td>{escape(str(value))}</td>"
    return (
        f'<td class="n">{value:,.2f}</td>'
        if isinstance(value, float)
        else f'<td class="n">{value:,}</td>'
    )


def summary(outcome: Outcome) -> Iterable[str]:
    """The result for a terminal."""
    verdict = outcome.verdict
    yield (
        f"{len(outcome.faults)} faults in {outcome.seconds / 60:.1f} min; "
        f"{verdict.acknowledged:,} requests acknowledged, {verdict.stored:,} events stored, "
        f"{verdict.shown:,} shown"
    )
    yield (
        f"{verdict.unknown_transmissions:,} transmissions without an answer; "
        f"{verdict.settled_by_repeat:,} requests settled by a repeat, "
        f"{verdict.indefinite_applied:,} of {verdict.indefinite:,} that were given up had an effect"
    )
    yield from outcome.notes
    for violation in verdict.violations[:LINES_SHOWN]:
        yield f"{violation.kind}: room {violation.room} seq {violation.seq}: {violation.text}"
    kinds = ", ".join(f"{count} {kind}" for kind, count in verdict.kinds().items())
    yield f"violations: {kinds or 'none'}"
