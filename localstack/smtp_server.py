"""A mail server that a test can stall or make refuse mail; only as much SMTP as a sender needs."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message


class _Session(socketserver.StreamRequestHandler):
    server: SmtpServer

    def handle(self) -> None:
        self.server.connections += 1
        self.server.goes_on.wait(60)
        self._say("220 test")
        text: list[bytes] = []
        for line in self.rfile:
            command = line.strip().upper()
            if command.startswith(b"RCPT"):
                answers = self.server.answers_to
                special = [answer for address, answer in answers.items() if address in command]
                self._say(*special or [self.server.answer_to_recipient])
                if special and special[0].startswith("421"):
                    return
            elif command == b"DATA":
                self._say("354 go on")
                for part in self.rfile:
                    if part == b".\r\n":
                        break
                    text.append(part)
                self.server.mails.append(message_from_bytes(b"".join(text)))
                text.clear()
                time.sleep(self.server.delay_seconds)
                self._say("250 taken")
            elif command == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 test")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class SmtpServer(socketserver.ThreadingTCPServer):
    """`goes_on`: while it is not set, connections are accepted but get no answer.

    `answers_to`: the answers for some recipients, by a part of their address in capitals. After a
    421 the server hangs up.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.answer_to_recipient = "250 fine"
        self.answers_to: dict[bytes, str] = {}
        self.delay_seconds = 0.0
        self.connections = 0
        self.mails: list[Message] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def smtp_server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.goes_on.set()
            server.shutdown()
