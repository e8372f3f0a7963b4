"""`make cluster`: `make run` with nginx in front of three web processes, two workers and beat."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from localstack.installation import THREE_WEBS, TWO_WORKERS
from localstack.ports import free_port
from localstack.process import StartFailed
from localstack.stack import Stack


class ClusterStack(Stack):
    """The same data as `make run`; people connect to the gateway's port."""

    workers = TWO_WORKERS

    def __init__(self, data: Path, given: Mapping[str, str]) -> None:
        super().__init__(data, given)
        self.web_ports = {web: free_port() for web in THREE_WEBS}
        self.put_behind_gateway(self.port)

    def _part_lines(self) -> list[str]:
        ports = ", ".join(f"{web} {port}" for web, port in self.web_ports.items())
        return [
            f"  gateway    nginx, {self.bind}:{self.port}, with the files of deploy/nginx",
            f"  web        {ports}",
            f"  worker     {', '.join(self.workers)}",
            *super()._part_lines(),
        ]


def main(folder: Path) -> int:
    try:
        return ClusterStack(folder.resolve(), dict(os.environ)).run()
    except StartFailed as problem:
        print(f"veche: {problem}", file=sys.stderr, flush=True)
        return 1
