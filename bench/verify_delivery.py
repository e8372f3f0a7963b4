"""How fast `verify_delivery` reads, and how much memory it takes.

    python -m bench.verify_delivery --events 100000
    python -m bench.verify_delivery --events 100000 --rooms 1 --kafka

Fills its own servers like `bench.backlog`, stores and exports everything, and runs the command in a
separate process, as a person does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
from typing import Any

from bench.backlog import fill, set_up
from bench.servers import own_servers

MEBIBYTE_KB = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rooms", type=int, default=50)
    parser.add_argument("--kafka", action="store_true", help="export to a real Kafka")
    options = parser.parse_args()

    with own_servers(kafka=options.kafka):
        print(json.dumps(measure(options), indent=1))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    set_up()
    from django.conf import settings
    from django.core.management import call_command

    from chat.export import exporter
    from chat.persistence import drain

    call_command("migrate", verbosity=0)
    asyncio.run(fill(options.events, options.rooms, posts_only=False))
    for shard in range(settings.ENV.shards):
        while drain.drain(shard).stored:
            pass
        while exporter.of_process().export(shard).published:
            pass

    _, idle = run("shell", "-c", "import chat.verify")
    said, used = run("verify_delivery", "--json")
    report = json.loads(said)
    return {
        "events": report["events"],
        "rooms": report["rooms"],
        "bus_records": report["bus_records"],
        "findings": len(report["findings"]),
        "seconds": round(report["seconds"], 2),
        "events_per_second": round(report["events"] / report["seconds"]),
        # The steadier figure on a busy machine.
        "processor_us_per_event": round(
            (used.ru_utime - idle.ru_utime) / report["events"] * 1e6, 1
        ),
        "peak_mebibytes": round(used.ru_maxrss / MEBIBYTE_KB),
        "of_which_an_idle_process_has": round(idle.ru_maxrss / MEBIBYTE_KB),
    }


def run(*arguments: str) -> tuple[str, resource.struct_rusage]:
    """The output of a manage.py command, and the resources it used."""
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments[0]} failed: {said[-500:]}")
    return said, used


if __name__ == "__main__":
    main()
