"""Ports on loopback: finding a free one, and naming the program that holds a taken one."""

from __future__ import annotations

import random
import socket

import psutil

# Below the ports that systems give to outgoing connections, one of which could take a server's port
# while the server restarts.
FIRST, LAST = 20_000, 32_767
# Ports given out in this process: others are chosen before a server starts on the one it was given.
given: set[int] = set()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment, a different one each time.

    Raises: StopIteration when this process has been given every port of the range.
    """
    ports = [port for port in range(FIRST, LAST + 1) if port not in given]
    random.shuffle(ports)
    port = next(port for port in ports if is_free("127.0.0.1", port))
    given.add(port)
    return port


def is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, so that connections of an ended server in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """The program that listens on `port`, in words for the terminal."""
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port:
                if connection.pid is None:
                    break
                process = psutil.Process(connection.pid)
                command = " ".join(process.cmdline())[:100]
                return f"process {connection.pid} ({command or process.name()})"
    except psutil.Error:
        pass
    return "a process of another user"
