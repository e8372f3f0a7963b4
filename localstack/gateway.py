"""nginx in front of web processes on loopback, as docker-compose.yml configures it.

The files of deploy/nginx are copied as they are. Only addresses and paths differ: where nginx
listens, where the web processes are, and where the static files are.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from localstack.process import Program, StartFailed

PROJECT = Path(__file__).resolve().parent.parent
CONFIGURATION = PROJECT / "deploy" / "nginx"
# From this version on HTTP/2 is a directive of its own, which older versions reject.
HTTP2_DIRECTIVE = (1, 25, 1)


def find_nginx() -> str:
    """The path of nginx, installed if need be. Raises: StartFailed."""
    found = subprocess.run(
        [str(PROJECT / ".ci" / "nginx")], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise StartFailed(found.stderr.strip())
    return found.stdout.strip()


def version_of(nginx: str) -> tuple[int, ...]:
    shown = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", shown)
    if found is None:
        raise StartFailed(f"{nginx} does not report its version: {shown.strip()}")
    return tuple(map(int, found.groups()))


class Gateway:
    """A gateway with its files under `folder`/gateway.

    `web_ports` are the web processes; `static` is the folder that collectstatic fills. `tls` is a
    folder with a certificate and its key, named as in docker-compose.yml. `proxied`: the gateway is
    behind a proxy that does TLS.
    """

    name = "gateway"

    def __init__(
        self,
        folder: Path,
        port: int,
        status_port: int,
        web_ports: Sequence[int],
        static: Path,
        tls: Path | None = None,
        proxied: bool = False,
        bind: str = "127.0.0.1",
    ) -> None:
        self.nginx = find_nginx()
        self.folder = folder / "gateway"
        self.port = port
        self.status_port = status_port
        self._bind = bind
        self._web_ports = web_ports
        self._static = static
        self._tls = tls
        self._proxied = proxied
        # As root, workers would become a user that cannot read our files.
        user = "user root; " if os.geteuid() == 0 else ""
        self.program = Program(
            name=self.name,
            argv=(
                self.nginx,
                *("-p", f"{self.folder}/", "-c", str(self.folder / "nginx.conf")),
                *("-g", f"{user}daemon off;"),
            ),
            log=folder / "log" / "gateway.log",
            pid_file=folder / "run" / "gateway.pid",
            stop_seconds=5.0,
        )

    def prepare(self) -> None:
        """Write the configuration. Raises: StartFailed when nginx refuses it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "public").mkdir(parents=True)
        (self.folder / "public" / "static").symlink_to(self._static)
        for name in ("nginx.conf", "limits.conf", "locations.conf"):
            shutil.copy(CONFIGURATION / name, self.folder)
        self._write("addresses.conf", self._addresses())
        kind = "https" if self._tls is not None else "proxied" if self._proxied else "http"
        listen = (CONFIGURATION / f"{kind}.conf").read_text()
        self._write("listen.conf", self._listen(listen))
        status = (CONFIGURATION / "status.conf").read_text()
        self._write(
            "status.conf",
            replaced(status, "listen 8081;", f"listen 127.0.0.1:{self.status_port};"),
        )
        if self._tls is not None:
            (self.folder / "tls").symlink_to(self._tls)
        tried = subprocess.run(
            [*self.program.argv, "-t"], capture_output=True, text=True, check=False
        )
        if tried.returncode:
            raise StartFailed(f"nginx refuses its configuration:\n{tried.stderr.strip()}")

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def _addresses(self) -> str:
        text = (CONFIGURATION / "addresses.conf").read_text()
        text = re.sub(r"^resolver .*\n", "", text, count=1, flags=re.MULTILINE)
        [line] = re.findall(r"^ +server web:8000 resolve .*\n", text, re.MULTILINE)
        servers = (
            line.replace("web:8000 resolve", f"127.0.0.1:{port}") for port in self._web_ports
        )
        text = replaced(text, line, "".join(servers))
        return replaced(text, "root /srv/veche/public;", f"root {self.folder / 'public'};")

    def _listen(self, text: str) -> str:
        text = replaced(text, "listen 8080 ", f"listen {self._bind}:{self.port} ")
        if version_of(self.nginx) < HTTP2_DIRECTIVE:
            text = text.replace("    http2 on;\n", "")
        return text

    def check(self) -> None:
        """Raise unless nginx answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.status_port, timeout=3)
        with closing(connection):
            connection.request("GET", "/stub_status")
            if connection.getresponse().status != 200:
                raise ConnectionError


def replaced(text: str, old: str, new: str) -> str:
    """`text` with `old`, which must occur exactly once, replaced. Raises: StartFailed."""
    if text.count(old) != 1:
        raise StartFailed(f"deploy/nginx does not contain {old!r} exactly once.")
    return text.replace(old, new)
