"""`python -m tests.drill run|control|lost-log`: see docs/drill.md."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from localstack.installation import PROJECT
from localstack.process import StartFailed
from localstack.supervisor import Interrupted
from tests.drill import report
from tests.drill.lost_log import lost_log
from tests.drill.power_cut import STRONG, WEAK, power_cut, proves_what_it_should
from tests.drill.report import Outcome
from tests.drill.run import Drill
from tests.drill.session import new_folder, say

# Others may be using the machine.
NICENESS = 5
CLEAN, WRONG, INTERRUPTED = 0, 1, 130


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("command", choices=["run", "control", "lost-log"])
    parser.add_argument("--minutes", type=float, default=5.0, help="of faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, help="at most this many faults")
    parser.add_argument("--only", default="", help="only faults whose name contains this")
    parser.add_argument("--kafka", action="store_true", help="Apache Kafka as the event bus")
    parser.add_argument("--root", type=Path, default=PROJECT / "var" / "drill")
    return parser.parse_args()


async def drill(given: argparse.Namespace) -> bool:
    folder = new_folder(given.root, f"seed-{given.seed}{'-kafka' if given.kafka else ''}")
    one = Drill(folder, given.minutes, given.seed, given.kafka, given.most, given.only)
    return conclude(folder, await one.run())


def conclude(folder: Path, outcome: Outcome) -> bool:
    """Write the reports and print the result; returns whether there was no violation."""
    report.write(folder, outcome)
    verdict = outcome.verdict
    for text in report.summary(outcome):
        say(text)
    say(f"report: {folder / 'report.html'}")
    return not verdict.violations


async def command(given: argparse.Namespace) -> bool:
    if given.command == "control":
        return await control(given)
    if given.command == "lost-log":
        folder = new_folder(given.root, "lost-log")
        return conclude(folder, await lost_log(folder, given.seed))
    return await drill(given)


async def control(given: argparse.Namespace) -> bool:
    """Whether the judge finds losses with a log that does not flush, and none with one that
    does."""
    right = True
    for appendfsync in (WEAK, STRONG):
        folder = new_folder(given.root, f"power-cut-{appendfsync}")
        outcome = await power_cut(folder, given.seed, appendfsync=appendfsync)
        conclude(folder, outcome)
        proved = proves_what_it_should(outcome, appendfsync=appendfsync)
        losses = outcome.verdict.kinds()["LOST"]
        say(
            f"appendfsync {appendfsync}: {losses} acknowledged requests lost, "
            + ("as it must be" if proved else "WHICH IS WRONG")
        )
        right = right and proved
    return right


def main() -> int:
    given = arguments()
    os.nice(NICENESS)
    try:
        return CLEAN if asyncio.run(command(given)) else WRONG
    except Interrupted:
        return INTERRUPTED
    except StartFailed as problem:
        say(str(problem))
        return WRONG


if __name__ == "__main__":
    sys.exit(main())
