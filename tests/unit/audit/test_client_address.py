"""Where a request comes from, past the proxies that are trusted."""

from __future__ import annotations

import pytest

from chat.audit.client_address import client_address

PEER = "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        ("", 0, PEER),
        ("198.51.100.1", 0, PEER),
        ("198.51.100.1", 1, "198.51.100.1"),
        ("198.51.100.1,203.0.113.9,192.0.2.1", 2, "203.0.113.9"),
        ("198.51.100.1 , 203.0.113.9:5000 , 192.0.2.1", 2, "203.0.113.9"),
        ("[2001:db8::7]:443", 1, "2001:db8::7"),
        ("2001:DB8::7", 1, "2001:db8::7"),
        ("fe80::1%eth0", 1, "fe80::1"),
        ("::ffff:198.51.100.1", 1, "198.51.100.1"),
        ("192.0.2.1", 2, PEER),
        ("", 2, PEER),
        (",", 2, PEER),
        ("unknown", 1, PEER),
        ("_hidden, 192.0.2.1", 2, PEER),
        ("198.51.100.1, \0, 192.0.2.1", 2, PEER),
        ("9" * 5000, 1, PEER),
        ("1.2.3.4" * 10_000, 1, PEER),
    ],
)
def test_address_is_what_the_outermost_trusted_proxy_wrote_or_else_the_peer(
    forwarded: str, proxies: int, address: str
) -> None:
    assert client_address(forwarded, PEER, proxies) == address


@pytest.mark.parametrize("peer", [None, "", "/run/web.sock"])
def test_there_is_no_address_behind_a_unix_socket(peer: str | None) -> None:
    assert client_address("", peer, 1) is None
