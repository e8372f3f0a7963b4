"""What `make run` starts connects to PostgreSQL as a role that owns nothing."""

from __future__ import annotations

import json

import psycopg

from localstack.running_stack import RunningStack


def test_nothing_that_runs_for_people_connects_as_the_owner_of_the_tables(
    stack: RunningStack,
) -> None:
    state = json.loads((stack.folder / "var" / "stack.json").read_text())

    with psycopg.connect(state["environment"]["DATABASE_OWNER_URL"]) as owner:
        connected = owner.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'veche'"
        ).fetchall()

    assert connected == [("veche_app",)]
    assert "owner of the tables" not in (stack.folder / "var" / "log" / "web.log").read_text()
    assert stack.manage("rebuild_rollups", "--abandon") == "No rebuild was under way.\n"
