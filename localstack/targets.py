"""Where Prometheus finds what runs on this machine: a file per job, in the data folder.

The program that starts Veche writes these files, and `make monitor` notices within seconds, so each
may be started and stopped without the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def targets_folder(data: Path) -> Path:
    return data / "targets"


def write_targets(data: Path, targets: Mapping[str, list[str]]) -> None:
    """Write the addresses of each job's metrics, like {"web": ["127.0.0.1:8000"]}.

    Jobs that are not named have none. The names are those in deploy/prometheus/prometheus.yml.
    """
    folder = targets_folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    for job, addresses in targets.items():
        # Replaced as a whole, because Prometheus reads the file the moment it changes.
        new = folder / f"{job}.new"
        new.write_text(json.dumps([{"targets": addresses}]))
        new.replace(folder / f"{job}.json")
    for file in folder.glob("*.json"):
        if file.stem not in targets:
            file.unlink()


def remove_targets(data: Path) -> None:
    """Record that nothing runs."""
    write_targets(data, {})
