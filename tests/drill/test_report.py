"""The reports of a drill hold its figures and the proof of each violation."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from tests.drill import history, report
from tests.drill.flow import Flow, FlowWatch
from tests.drill.history import AnyRecord
from tests.drill.made_history import good_history
from tests.drill.report import Done, Outcome


def write_history(path: Path, records: list[AnyRecord]) -> None:
    path.write_text("".join(history.encode(record) + "\n" for record in records))


def a_fault(number: int, kind: str, stored: float | None) -> Done:
    return Done(
        number=number,
        kind=kind,
        target="log",
        injected=1.0,
        healed=2.0,
        flow_from=2.0,
        flow=Flow(acknowledged=0.5, stored=stored),
        flows=stored is not None,
    )


def written(folder: Path, stored: int) -> Outcome:
    """The outcome of the good history with `stored` of its three messages stored."""
    made, events = good_history()
    made.add(history.Sample, head=3, stored=2, exported=None)
    made.add(history.FaultNote, number=1, name="kill: <log>", phase="inject")
    write_history(folder / "history.jsonl", made.records)
    outcome = Outcome(
        name="Drill <1>",
        settings={"seed": 1},
        seconds=30.0,
        faults=[a_fault(1, "kill", 1.5), a_fault(2, "kill", 0.7), a_fault(3, "freeze", None)],
        verdict=made.judge(events[:stored]),
    )
    report.write(folder, outcome)
    return outcome


def test_violation_comes_with_the_part_of_the_history_that_proves_it(tmp_path: Path) -> None:
    written(tmp_path, stored=2)

    found = json.loads((tmp_path / "report.json").read_text())

    lost = next(one for one in found["verdict"]["violations"] if one["kind"] == "LOST")
    kinds = [json.loads(line)["t"] for line in lost["evidence"]]
    assert kinds == ["invoke", "attempt", "frame", "frame", "ok"]
    assert all('"three"' in line for line in lost["evidence"])


def test_longest_times_are_given_for_each_kind(tmp_path: Path) -> None:
    written(tmp_path, stored=3)

    found = json.loads((tmp_path / "report.json").read_text())

    assert found["by_kind"]["kill"]["times"] == 2
    assert found["by_kind"]["kill"]["flow"]["stored"] == 1.5
    assert found["by_kind"]["freeze"]["flow"]["stored"] is None


def test_page_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    written(tmp_path, stored=2)

    page = (tmp_path / "report.html").read_text()

    picture = page[page.index("<svg") : page.index("</svg>") + len("</svg>")]
    assert ElementTree.fromstring(picture).findall(".//rect")
    assert "Drill &lt;1&gt;" in page
    assert "src=" not in page
    assert "href=" not in page


def test_flow_counts_from_what_was_sent_after_the_fault() -> None:
    watch = FlowWatch(10.0, {"a", "b"}, "web-1")

    watch.acknowledged("a", "web-2", 5, 7, sent=9.0, now=11.0)
    assert watch.flow.acknowledged is None

    watch.acknowledged("a", "web-2", 5, 8, sent=10.5, now=11.0)
    assert watch.flow == Flow(acknowledged=1.0)
    watch.stored(5, 7, now=11.5)
    assert watch.flow.stored is None
    watch.stored(5, 8, now=12.0)
    watch.delivered(9.9, "web-1", "web-2", now=12.0)
    watch.delivered(10.5, "web-1", "web-1", now=12.0)
    assert watch.flow.delivered is None
    watch.delivered(10.5, "web-1", "web-2", now=12.5)
    watch.acknowledged("b", "web-1", 6, 1, sent=12.0, now=13.0)

    assert watch.is_complete()
    assert watch.flow == Flow(
        acknowledged=1.0, stored=2.0, delivered=2.5, everyone=3.0, restored=3.0
    )
