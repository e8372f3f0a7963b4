"""Asks a broker whether it lets Veche in, because the driver does not report the reason.

A broker that refuses a password says so and ends the connection at once. Usually the driver sees
only the end, tries again until its time-out, and reports that no broker answered.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any

from kafka import errors as kafka_errors
from kafka.net.sasl import get_sasl_mechanism

SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36
CLIENT = b"veche"
# Answers to these requests are a few hundred bytes.
MAX_ANSWER_BYTES = 64 * 1024


def refusal(connection: socket.socket, host: str, security: Mapping[str, Any]) -> str | None:
    """The class of the error with which the broker refuses; None when it lets Veche in.

    `connection` is already encrypted if it has to be. Raises: OSError or ValueError when the
    other side is not Kafka or ends the connection.
    """
    name = security["sasl_mechanism"].encode()
    mechanism = get_sasl_mechanism(security["sasl_mechanism"])(host=host, **security)
    error, _ = _ask(connection, SASL_HANDSHAKE, 1, struct.pack(">h", len(name)) + name)
    while not error and not mechanism.is_done():
        token = mechanism.auth_bytes()
        request = struct.pack(">i", len(token)) + token
        error, answer = _ask(connection, SASL_AUTHENTICATE, 0, request)
        if not error:
            mechanism.receive(_token(answer))
    return kafka_errors.for_code(error).__name__ if error else None


def _ask(connection: socket.socket, key: int, version: int, body: bytes) -> tuple[int, bytes]:
    """The error code of the answer, and the bytes that follow it."""
    request = struct.pack(">hhih", key, version, 1, len(CLIENT)) + CLIENT + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    if not 6 <= size <= MAX_ANSWER_BYTES:
        raise ValueError("This is not a Kafka broker.")
    answer = _exactly(connection, size)
    (error,) = struct.unpack_from(">h", answer, 4)
    return error, answer[6:]


def _token(answer: bytes) -> bytes:
    """The bytes for the SASL mechanism. They follow an error message, which is null on success."""
    (message,) = struct.unpack_from(">h", answer)
    start = 2 + max(0, message)
    (size,) = struct.unpack_from(">i", answer, start)
    return answer[start + 4 : start + 4 + size]


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise ConnectionResetError
        found += part
    return found
