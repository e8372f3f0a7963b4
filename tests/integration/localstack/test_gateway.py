"""The gateway's configuration, run by a real nginx in front of small web servers.

The files are those that docker-compose.yml mounts; see localstack/gateway.py.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localstack.gateway import Gateway, find_nginx
from localstack.ports import free_port
from localstack.process import StartFailed, start, stop, wait_until_ready

START_SECONDS = 60.0


class Web(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = {
            "port": self.connection.getsockname()[1],
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def web() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()


@contextmanager
def running(gateway: Gateway) -> Iterator[Gateway]:
    gateway.prepare()
    process = start(gateway.program)
    try:
        wait_until_ready(gateway.program, process, gateway.check, START_SECONDS)
        yield gateway
    finally:
        stop(gateway.program, process)


@pytest.fixture(scope="module", autouse=True)
def nginx() -> str:
    try:
        return find_nginx()
    except StartFailed as problem:
        pytest.skip(str(problem))


@pytest.fixture
def static(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "app.0123456789ab.js").write_text("hashed")
    (folder / "plain.js").write_text("plain")
    return folder


@pytest.fixture
def gateway(tmp_path: Path, static: Path) -> Iterator[Gateway]:
    """In front of two web servers and of a port on which nobody listens."""
    with web() as one, web() as two:
        ports = [one, free_port(), two]
        with running(Gateway(tmp_path, free_port(), free_port(), ports, static)) as made:
            yield made


def ask(
    port: int, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return (
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read(),
        )


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_process_that_is_gone_is_passed_over_and_the_others_share_the_work(
    gateway: Gateway, method: str
) -> None:
    answers = [ask(gateway.port, method=method) for _ in range(12)]

    assert [status for status, _, _ in answers] == [200] * 12
    assert len({json.loads(body)["port"] for _, _, body in answers}) == 2


def test_what_is_for_operators_stays_inside(gateway: Gateway) -> None:
    paths = ["/metrics", "/metrics/", "/healthz", "/readyz", "//metrics", "/static/../metrics"]

    assert [ask(gateway.port, path)[0] for path in paths] == [404] * len(paths)


def test_what_clients_claim_about_themselves_is_replaced(gateway: Gateway) -> None:
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}

    _, _, body = ask(gateway.port, **headers)

    said = json.loads(body)["headers"]
    assert (said["x-forwarded-for"], said["x-forwarded-proto"]) == ("127.0.0.1", "http")


def test_proxy_in_front_tells_the_address_and_the_scheme(tmp_path: Path, static: Path) -> None:
    """What the client claims comes before what the proxy appends, and does not count."""
    headers = {"X-Forwarded-For": "10.9.9.9, 203.0.113.7", "X-Forwarded-Proto": "https"}
    with web() as port:
        gateway = Gateway(tmp_path, free_port(), free_port(), [port], static, proxied=True)
        with running(gateway):
            _, _, through_proxy = ask(gateway.port, **headers)
            _, _, directly = ask(gateway.port)

    said = json.loads(through_proxy)["headers"]
    assert (said["x-forwarded-for"], said["x-forwarded-proto"]) == ("203.0.113.7", "https")
    said = json.loads(directly)["headers"]
    assert (said["x-forwarded-for"], said["x-forwarded-proto"]) == ("127.0.0.1", "http")


def test_behind_a_proxy_each_person_has_limits_of_their_own(tmp_path: Path, static: Path) -> None:
    with web() as port:
        gateway = Gateway(tmp_path, free_port(), free_port(), [port], static, proxied=True)
        with running(gateway):
            one, two = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "203.0.113.8"}
            of_one = [ask(gateway.port, "/accounts/login/", **one)[0] for _ in range(120)]
            of_two = ask(gateway.port, "/accounts/login/", **two)[0]

    assert 429 in of_one
    assert of_two == 200


def test_claims_of_whoever_is_no_proxy_are_replaced(tmp_path: Path, static: Path) -> None:
    """Loopback is taken off the list, so that this test is no proxy."""
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    with web() as port:
        gateway = Gateway(tmp_path, free_port(), free_port(), [port], static, proxied=True)
        gateway.prepare()
        listen = gateway.folder / "listen.conf"
        text = listen.read_text()
        listen.write_text(re.sub(r"^.*127\.0\.0\.0/8.*\n", "", text, flags=re.MULTILINE))
        process = start(gateway.program)
        try:
            wait_until_ready(gateway.program, process, gateway.check, START_SECONDS)
            _, _, body = ask(gateway.port, **headers)
        finally:
            stop(gateway.program, process)

    said = json.loads(body)["headers"]
    assert (said["x-forwarded-for"], said["x-forwarded-proto"]) == ("127.0.0.1", "http")


def test_static_files_come_from_the_gateway_and_missing_ones_from_a_web_process(
    gateway: Gateway,
) -> None:
    _, hashed, body = ask(gateway.port, "/static/app.0123456789ab.js")
    _, plain, _ = ask(gateway.port, "/static/plain.js")
    _, _, newer = ask(gateway.port, "/static/newer.js")

    assert body == b"hashed"
    assert hashed["cache-control"] == "public, max-age=315360000, immutable"
    assert plain["cache-control"] == "public, max-age=60"
    assert plain["x-content-type-options"] == "nosniff"
    assert json.loads(newer)["path"] == "/static/newer.js"


def test_handshake_reaches_a_web_process_as_an_upgrade(gateway: Gateway) -> None:
    _, _, body = ask(gateway.port, "/ws/chat/", Upgrade="websocket", Connection="Upgrade")

    said = json.loads(body)["headers"]
    assert (said["upgrade"], said["connection"]) == ("websocket", "upgrade")


def test_body_that_is_too_large_is_refused_before_it_is_read(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
        assert wire.recv(100).startswith(b"HTTP/1.1 413 ")


def test_sign_in_is_limited_for_each_address_and_pages_are_not(gateway: Gateway) -> None:
    signing_in = [ask(gateway.port, "/accounts/login/")[0] for _ in range(120)]
    pages = [ask(gateway.port, "/")[0] for _ in range(120)]

    assert signing_in[:60] == [200] * 60
    assert 429 in signing_in
    assert pages == [200] * 120


KEY = "dc1a7k-5f3b9e77c0ffee"
WITH_KEY = [
    f"/accounts/password/reset/key/1-{KEY}/",
    f"/accounts/confirm-email/MQ:1vN:{KEY}/",
    f"/accounts//password/reset/%6bey/1-{KEY}/?next=/",
    f"/accounts/./password/reset/key/1-{KEY}",
]


@pytest.mark.parametrize("kind", ["http", "https", "proxied"])
def test_key_of_a_link_is_in_no_log(tmp_path: Path, static: Path, kind: str) -> None:
    """Neither in the access log nor in nginx's complaints about limits and lost processes."""
    tls = certificate(tmp_path) if kind == "https" else None
    with web() as one:
        ports = [one, free_port()]
        gateway = Gateway(
            tmp_path, free_port(), free_port(), ports, static, tls=tls, proxied=kind == "proxied"
        )
        with running(gateway):
            for path in WITH_KEY * 40:
                get(gateway.port, path, tls=tls is not None)
            get(gateway.port, "/room/1", tls=tls is not None)
    log = (tmp_path / "log" / "gateway.log").read_text()

    assert '"GET /room/1" 200' in log
    assert '"GET /accounts/password/reset/key/..." 200' in log
    assert '"GET /accounts/confirm-email/..." 200' in log
    assert '/key/..." 429' in log  # so there was something to complain of
    assert KEY not in log


def get(port: int, path: str, *, tls: bool) -> None:
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reads no file of authorities
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=unchecked)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    )
    with closing(connection):
        # As browsers send it after a page whose address holds a key: see `chat.accounts.key_pages`.
        connection.request("GET", path, headers={"Referer": "http://127.0.0.1/"})
        connection.getresponse().read()


def certificate(folder: Path) -> Path:
    """A folder with a certificate for localhost and its key."""
    tls = folder / "tls"
    tls.mkdir()
    key, made = tls / "tls_key.pem", tls / "tls_certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    done = subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(made)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return tls


def test_with_tls_plain_http_is_sent_on(tmp_path: Path, static: Path) -> None:
    tls = certificate(tmp_path)
    with web() as port:
        gateway = Gateway(tmp_path, free_port(), free_port(), [port], static, tls=tls)
        with running(gateway):
            status, headers, _ = ask(gateway.port, "/room/1", Host="chat.example.org")

    assert status == 301
    assert headers["location"] == "https://chat.example.org/room/1"


def test_configuration_that_nginx_refuses_is_reported(tmp_path: Path, static: Path) -> None:
    gateway = Gateway(tmp_path, free_port(), free_port(), [99999], static)

    with pytest.raises(StartFailed, match="nginx refuses its configuration"):
        gateway.prepare()
