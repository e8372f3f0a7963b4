"""`python -m tests.drill.cluster`: `make cluster-drill`, see docs/operations.md."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from localstack.installation import PROJECT
from localstack.process import StartFailed
from localstack.supervisor import Interrupted
from tests.drill.cluster.drill import ClusterDrill
from tests.drill.session import new_folder, say

CLEAN, WRONG, INTERRUPTED = 0, 1, 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drill.cluster", description=__doc__)
    parser.add_argument("--watchers", type=int, default=240, help="people who only read")
    parser.add_argument(
        "--gap", type=float, default=5.0, help="longest time without a connection, in seconds"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--root", type=Path, default=PROJECT / "var" / "drill")
    given = parser.parse_args()
    folder = new_folder(given.root, "cluster")
    drill = ClusterDrill(folder, watchers=given.watchers, seed=given.seed, longest_gap=given.gap)
    try:
        found = asyncio.run(drill.run())
    except Interrupted:
        return INTERRUPTED
    except StartFailed as problem:
        say(str(problem))
        return WRONG
    for text in found["problems"]:
        say(f"PROBLEM {text}")
    say(
        f"{found['pages_asked']} pages asked for, {found['pages_failed']} failed; "
        f"verify_delivery: {found['verify_delivery_findings']} findings; "
        f"the judge: {found['judge']['violations']} violations"
    )
    say(f"summary: {folder / 'cluster.json'}, history and verdict: {folder / 'report.html'}")
    return WRONG if found["problems"] else CLEAN


if __name__ == "__main__":
    sys.exit(main())
