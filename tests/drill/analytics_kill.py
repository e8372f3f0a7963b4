"""Kills consumers again and again while events flow, and compares the rollups with SQL.

    python -m tests.drill.analytics_kill --seconds 120 --kafka
    python -m tests.drill.analytics_kill --seconds 120

Two `consume_events` share the work; every 5 s one of them, in turn, gets SIGKILL and is restarted.
Meanwhile events are published, some of them late and for a second time. At half-time all positions
are set back to the beginning. In the end every row of every table must equal what SQL finds in the
stored events; exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from bench.servers import own_servers

KILL_EACH_SECONDS = 5.0
PUBLISH_EACH_SECONDS = 0.25
PUBLISHED_AGAIN = 40
END_SECONDS = 240.0
NAMES = ("one", "two")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--kafka", action="store_true", help="a real Kafka instead of a stream")
    options = parser.parse_args()

    with own_servers(kafka=options.kafka, LOG_LEVEL="ERROR"):
        report = measure(options)
    sys.stdout.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    sys.exit(1 if report["differences"] else 0)


def start(name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "manage.py", "consume_events", "--instance", name]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from analytics.counting.statements import run
    from analytics.models import ConsumedPartition, OpenPlaces
    from chat.event_bus import Record, envelope, event_bus
    from chat.verify import Verifier
    from tests.support import analytics_truth
    from tests.support.analytics_world import World

    def counted() -> int:
        [(found,)] = run("SELECT COALESCE(sum(seq), 0)::bigint FROM analytics_countedroom")
        return int(found)

    call_command("migrate", verbosity=0)
    world = World(rooms=30, people=20)
    world.happen(options.events)
    events = sorted(world.events(), key=lambda one: (one.at, one.seq))
    records = [Record(one.room, one.seq, envelope.encode(one)) for one in events]
    bus = event_bus()
    bus.prepare()
    consumers = {name: start(name) for name in NAMES}
    began = time.monotonic()
    kills = published = sent = 0
    set_back = False
    kill_at = began + KILL_EACH_SECONDS
    while (elapsed := time.monotonic() - began) < options.seconds:
        until = min(len(records), int(len(records) * elapsed / options.seconds))
        batch = records[published:until]
        # Late repeats, out of order.
        again = records[max(0, published - 2_000) : published][:PUBLISHED_AGAIN][::-1]
        for one in bus.publish(batch + again, 60.0):
            assert one is None, one
        published, sent = until, sent + len(batch) + len(again)
        if time.monotonic() >= kill_at:
            name = NAMES[kills % 2]
            consumers[name].kill()
            consumers[name].wait()
            consumers[name] = start(name)
            kills += 1
            kill_at += KILL_EACH_SECONDS
        if not set_back and elapsed > options.seconds / 2:
            ConsumedPartition.objects.update(position="")
            set_back = True
        time.sleep(PUBLISH_EACH_SECONDS)
    for one in bus.publish(records[published:], 60.0):
        assert one is None, one
    sent += len(records) - published
    deadline = time.monotonic() + END_SECONDS
    while counted() < len(records) or OpenPlaces.objects.exists():
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    caught_up = time.monotonic() - began - options.seconds
    for consumer in consumers.values():
        consumer.terminate()
    codes = [consumer.wait(60) for consumer in consumers.values()]
    differences = analytics_truth.differences()
    rollups = [
        str(one)
        for one in Verifier(16, None, pause=lambda: None).verify().findings
        if one.check == "rollup"
    ]
    bus.close()
    return {
        "bus": bus.name,
        "stored_events": len(events),
        "records_published": sent,
        "kills": kills,
        "positions_set_back": set_back,
        "events_counted": counted(),
        "seconds_to_catch_up": round(caught_up, 1),
        "exit_codes_after_sigterm": codes,
        "rows_compared": analytics_truth.totals(),
        "differences": differences + rollups,
    }


if __name__ == "__main__":
    main()
