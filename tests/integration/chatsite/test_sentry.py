"""What is reported to Sentry holds no words, names, addresses or secrets."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sentry_sdk
from django.conf import LazySettings
from django.db import IntegrityError

from chatsite.observability import sentry

WORDS = "what Ann wrote"
MAIL = "ann@example.org"
TOKEN = "veche_0123456789abcdef"


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ReceiverHandler)
        self.bodies: list[str] = []
        self.dsn = f"http://public@127.0.0.1:{self.server_port}/1"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class ReceiverHandler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else self._chunks()
        if self.headers.get("Content-Encoding") == "gzip":
            body = zlib.decompress(body, 16 + zlib.MAX_WBITS)
        self.server.bodies.append(body.decode())
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        return found

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)
    found.shutdown()
    found.server_close()


def fail(body: str) -> None:
    raise IntegrityError(f"Key (email)=({MAIL}) already exists: {body}")


def test_report_of_an_error_leaves_without_anybodys_words(
    receiver: Receiver, settings: LazySettings
) -> None:
    import dataclasses
    import logging

    settings.ENV = dataclasses.replace(settings.ENV, sentry_dsn=receiver.dsn)
    sentry.start("test")
    logging.getLogger("chat").warning("said: %s", WORDS)
    try:
        fail(WORDS)
    except IntegrityError:
        logging.getLogger("chat").exception("%s wrote %s with %s", MAIL, WORDS, TOKEN)

    sentry_sdk.flush(timeout=30)

    sent = "\n".join(receiver.bodies)
    assert "IntegrityError" in sent
    assert '"function":"fail"' in sent.replace(" ", "")
    assert "veche@" in sent
    for secret in (WORDS, MAIL, TOKEN):
        assert secret not in sent


def test_of_a_report_only_what_is_known_to_be_harmless_leaves() -> None:
    scrubbed = sentry.scrubbed(
        {
            "event_id": "1",
            "level": "error",
            "message": WORDS,
            "logentry": {"message": "%s", "params": [WORDS]},
            "user": {"email": MAIL, "ip_address": "192.0.2.1"},
            "extra": {"body": WORDS},
            "breadcrumbs": {"values": [{"message": WORDS}]},
            "modules": {"django": "5.2"},
            "what_nobody_thought_of": WORDS,
            "transaction": "/api/v1/rooms/{room}/messages",
            "request": {
                "method": "POST",
                "url": f"https://chat.example.org/reset/{TOKEN}",
                "query_string": f"q={WORDS}",
                "data": WORDS,
                "headers": {"Authorization": f"Bearer {TOKEN}"},
                "cookies": {"sessionid": TOKEN},
            },
            "contexts": {"runtime": {"name": "CPython"}, "celery-job": {"args": [WORDS]}},
            "exception": {
                "values": [
                    {
                        "type": "IntegrityError",
                        "value": WORDS,
                        "stacktrace": {
                            "frames": [{"function": "f", "lineno": 3, "vars": {"body": WORDS}}]
                        },
                    }
                ]
            },
        }
    )

    assert scrubbed["request"] == {"method": "POST"}
    assert scrubbed["exception"]["values"][0]["type"] == "IntegrityError"
    assert scrubbed["exception"]["values"][0]["stacktrace"]["frames"] == [
        {"function": "f", "lineno": 3}
    ]
    text = json.dumps(scrubbed)
    for secret in (WORDS, MAIL, TOKEN, "192.0.2.1"):
        assert secret not in text


def test_address_of_a_request_is_never_taken_for_its_route() -> None:
    assert "transaction" not in sentry.scrubbed({"transaction": f"/search?q={WORDS}"})


def test_nothing_is_started_without_an_address(settings: LazySettings) -> None:
    sentry.start("test")

    assert not sentry_sdk.get_client().is_active()
