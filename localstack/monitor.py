"""`make monitor`: a Prometheus on loopback that watches what runs on this machine.

It evaluates the rules of deploy/prometheus and scrapes the same jobs; only the addresses differ. It
finds what `make run` starts through the files of `localstack.targets`. Its data is kept under
var/data/prometheus, and its pages are open to this machine only.
"""

from __future__ import annotations

import argparse
import copy
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from localstack.ports import free_port, holder, is_free
from localstack.process import Program, StartFailed
from localstack.servers import kept_secrets, write_private
from localstack.supervisor import Interrupted, Part, Supervisor
from localstack.targets import targets_folder

PROJECT = Path(__file__).resolve().parent.parent
SOURCE = PROJECT / "deploy" / "prometheus"
# Prometheus serves them under /user/, so that the links in alerts work.
DOCUMENTS = PROJECT / "docs"
LOOPBACK = "127.0.0.1"
USUAL_PORT = 9090
KEPT = "15d"
# Jobs found through files; of the other jobs, only those that run here are scraped.
OURS = ("web", "worker", "beat", "probe", "analytics")

Configuration = dict[str, Any]


def program_path(name: str) -> str:
    """Raises: StartFailed when there is no such program."""
    found = shutil.which(name)
    if found is None:
        raise StartFailed(
            f"{name} is not on PATH. On Debian and Ubuntu: "
            "sudo apt install prometheus prometheus-node-exporter"
        )
    return found


def local_configuration(
    data: Path, also: Mapping[str, list[str]] | None = None, token_file: Path | None = None
) -> Configuration:
    """The configuration of deploy/prometheus for what runs on this machine.

    `data` is the folder that `localstack.targets` writes to; `also` gives addresses of further
    jobs, like {"node": ["127.0.0.1:9100"]}. `token_file` holds the METRICS_TOKEN; without one,
    loopback may read the metrics.
    """
    configuration: Configuration = yaml.safe_load((SOURCE / "prometheus.yml").read_text())
    configuration["rule_files"] = [str(SOURCE / name) for name in configuration["rule_files"]]
    found: dict[str, Configuration] = {
        job: {
            "file_sd_configs": [
                # Read when it changes; the interval is for file systems without notifications.
                {"files": [str(targets_folder(data) / f"{job}.json")], "refresh_interval": "10s"}
            ]
        }
        for job in OURS
    }
    for job, addresses in (also or {}).items():
        found[job] = {"static_configs": [{"targets": addresses}]}
    configuration["scrape_configs"] = [
        local_job(job, found[job["job_name"]], token_file)
        for job in configuration["scrape_configs"]
        if job["job_name"] in found
    ]
    return configuration


def local_job(job: Configuration, found: Configuration, token_file: Path | None) -> Configuration:
    local = {
        name: copy.deepcopy(value)
        for name, value in job.items()
        if not name.endswith("_configs") and name != "authorization"
    }
    if "authorization" in job and token_file is not None:
        local["authorization"] = {"credentials_file": str(token_file)}
    return local | found


class Prometheus:
    """A server with its data under `folder`/data/prometheus."""

    name = "prometheus"

    def __init__(self, folder: Path, port: int, configuration: Configuration) -> None:
        self.data = folder / "data" / "prometheus"
        self.url = f"http://{LOOPBACK}:{port}"
        self.configuration = configuration
        self.file = self.data / "prometheus.yml"
        self.program = Program(
            name=self.name,
            argv=(
                program_path("prometheus"),
                f"--config.file={self.file}",
                f"--storage.tsdb.path={self.data / 'series'}",
                f"--storage.tsdb.retention.time={KEPT}",
                f"--web.listen-address={LOOPBACK}:{port}",
                f"--web.external-url={self.url}",
                f"--web.user-assets={DOCUMENTS}",
            ),
            log=folder / "log" / "prometheus.log",
            pid_file=folder / "run" / "prometheus.pid",
        )

    def prepare(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.file.write_text(yaml.safe_dump(self.configuration, sort_keys=False))

    def check(self) -> None:
        """Raise unless the server answers queries."""
        _ask(f"{self.url}/-/ready")

    def page(self, name: str) -> str:
        """The address of one of its pages; Debian's package has older pages at other paths."""
        try:
            _ask(f"{self.url}/{name}")
        except urllib.error.HTTPError:
            return f"{self.url}/classic/{name}"
        return f"{self.url}/{name}"


class NodeExporter:
    """The exporter that reports how full this machine's disks are, and how busy it is."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"{LOOPBACK}:{port}"
        self.program = Program(
            name="node-exporter",
            argv=(
                program_path("prometheus-node-exporter"),
                f"--web.listen-address={self.address}",
                "--collector.disable-defaults",
                *(f"--collector.{name}" for name in ("cpu", "filesystem", "loadavg", "meminfo")),
            ),
            log=folder / "log" / "node-exporter.log",
            pid_file=folder / "run" / "node-exporter.pid",
        )

    def check(self) -> None:
        _ask(f"http://{self.address}/metrics")


def _ask(url: str) -> None:
    # The addresses are our own.
    with urllib.request.urlopen(url, timeout=5):  # noqa: S310
        return


def chosen_port(given: Mapping[str, str]) -> int:
    """PROMETHEUS_PORT; if unset, 9090 or any free port. Raises: StartFailed."""
    text = given.get("PROMETHEUS_PORT", "")
    if not text:
        return USUAL_PORT if is_free(LOOPBACK, USUAL_PORT) else free_port()
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 65535:
        raise StartFailed(f"PROMETHEUS_PORT must be a number from 1 to 65535, not {text!r}.")
    if not is_free(LOOPBACK, int(text)):
        raise StartFailed(f"Port {text} is taken by {holder(int(text))}.")
    return int(text)


def token_file_of(given: Mapping[str, str], folder: Path) -> Path:
    """A file with the METRICS_TOKEN that Veche was given, or else the one of the cluster.

    `make run` without a token needs none, and accepts scrapes that send one.
    """
    if given.get("METRICS_TOKEN_FILE"):
        return Path(given["METRICS_TOKEN_FILE"]).resolve()
    file = folder / "run" / "metrics-token"
    write_private(file, given.get("METRICS_TOKEN") or kept_secrets(folder)["metrics_token"])
    return file


def banner(prometheus: Prometheus, data: Path) -> str:
    runs = any(targets_folder(data).glob("*.json"))
    return "\n".join(
        [
            "",
            f"  Prometheus runs at  {prometheus.url}",
            "",
            f"  alerts    {prometheus.page('alerts')}",
            f"  targets   {prometheus.page('targets')}",
            f"  queries   {prometheus.url}/graph?g0.expr=veche_watermark_lag_seconds&g0.tab=0",
            f"  runbooks  {prometheus.url}/user/runbooks/",
            "",
            "  Dashboards need Grafana: docker compose --profile ops up -d, then port 3000;",
            "  or import deploy/grafana/dashboards/*.json where Grafana reads this Prometheus.",
            *([] if runs else ["", "  Veche is not running here yet: start it with make run."]),
            "",
            "  Ctrl-C stops it. The data stays.",
            "",
        ]
    )


def main(folder: Path) -> int:
    """Run until Ctrl-C, with the data in `folder`; returns the exit code."""

    def say(text: str) -> None:
        print(f"veche: {text}", flush=True)

    supervisor = Supervisor(say)
    try:
        node = NodeExporter(folder, free_port())
        port = chosen_port(os.environ)
        also = {"node": [node.address], "prometheus": [f"{LOOPBACK}:{port}"]}
        token_file = token_file_of(os.environ, folder)
        prometheus = Prometheus(folder, port, local_configuration(folder, also, token_file))
        prometheus.prepare()
        # Prometheus watches only folders that exist when it starts.
        targets_folder(folder).mkdir(parents=True, exist_ok=True)
        supervisor.start_group(
            [Part(node.program, node.check), Part(prometheus.program, prometheus.check)]
        )
        print(banner(prometheus, folder), flush=True)
        supervisor.watch()
    except Interrupted:
        pass
    except StartFailed as problem:
        print(f"veche: {problem}", file=sys.stderr, flush=True)
        return 1
    finally:
        supervisor.stop_all()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m localstack.monitor", description=__doc__)
    parser.add_argument("--data", type=Path, default=PROJECT / "var", help="folder of all data")
    sys.exit(main(parser.parse_args().data.resolve()))
