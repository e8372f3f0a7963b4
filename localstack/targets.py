"""Where Prometheus finds what runs on this machine: a file for each job, in the folder of the data.

Whatever starts Veche writes them, and `make monitor` notices within seconds, so either may be
started and stopped without the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def targets_folder(data: Path) -> Path:
    return data / "targets"


def write_targets(data: Path, targets: Mapping[str, list[str]]) -> None:
    """Say at which addresses each job's metrics are, like {"web": ["127.0.0.1:8000"]}.

    Jobs that are not named have none. The names are those of deploy/prometheus/prometheus.yml.
    """
    folder = targets_folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    for job, addresses in targets.items():
        # Whole or not at all: Prometheus reads it the moment it changes.
        new = folder / f"{job}.new"
        new.write_text(json.dumps([{"targets": addresses}]))
        new.replace(folder / f"{job}.json")
    for file in folder.glob("*.json"):
        if file.stem not in targets:
            file.unlink()


def remove_targets(data: Path) -> None:
    """Say that nothing runs."""
    write_targets(data, {})
