"""`python -m chatsite.env_example > .env.example`: every setting with its default, as a file."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from typing import Any

from chatsite.env import Env, declaration

HEAD = """\
# Every setting of Veche, for processes that run without make run or docker-compose.yml.
# Lines with a default are commented out. Of each VARIABLE there is a VARIABLE_FILE too, which
# names a file that holds the value. Made by: python -m chatsite.env_example
"""
# The setting before which a headline stands.
HEADLINES = {
    "database_url": "Connections",
    "kafka_bootstrap_servers": "The event bus",
    "allowed_origins": "What the world sees",
    "shards": "The log",
    "redis_timeout_seconds": "Time limits",
    "worker_concurrency": "Limits for people and processes",
    "probe_url": "Watching it work",
    "veche_crash_point": "For tests",
}
# What stands behind the `=` where there is no default, or one of this machine.
EXAMPLES = {
    "database_url": "postgresql://veche:PASSWORD@127.0.0.1:5432/veche",
    "log_redis_url": "redis://:PASSWORD@127.0.0.1:6379/0",
    "bus_redis_url": "redis://:PASSWORD@127.0.0.1:6380/0",
    "secret_key": "",
    "allowed_origins": "http://localhost:8000",
    "static_root": "/srv/veche/staticfiles",
}


def example() -> str:
    """The text of .env.example."""
    lines = [HEAD]
    for field in dataclasses.fields(Env):
        if field.name in HEADLINES:
            lines += [f"# ---- {HEADLINES[field.name]} ----", ""]
        lines += textwrap.wrap(
            declaration(field).help,
            100,
            initial_indent="# ",
            subsequent_indent="# ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += allowed(field)
        required = field.default is dataclasses.MISSING
        value = EXAMPLES.get(field.name, shown(field.default))
        lines += [f"{'' if required else '#'}{field.name.upper()}={value}", ""]
    return "\n".join(lines)


def allowed(field: dataclasses.Field[Any]) -> list[str]:
    """A line that says which values are allowed, where the type alone does not."""
    of = declaration(field)
    parts = []
    if of.choices:
        parts.append("one of " + ", ".join(of.choices))
    if of.low is not None and of.high is not None:
        parts.append(f"{number(of.low)} to {number(of.high)} {of.unit}".rstrip())
    elif of.unit:
        parts.append(of.unit)
    return [f"# ({'; '.join(parts)})"] if parts else []


def number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else str(value)


def shown(value: object) -> str:
    """A default as the environment would hold it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


if __name__ == "__main__":
    sys.stdout.write(example())
