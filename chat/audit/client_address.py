"""Where a request comes from, past our own proxies.

Each proxy appends the address of its peer to `X-Forwarded-For`; entries further left come from the
client, which may write anything. `TRUSTED_PROXIES` is the number of proxies in front of us.
"""

from __future__ import annotations

import ipaddress

from allauth.core.internal.httpkit import clean_client_ip


def client_address(forwarded: str, peer: str | None, proxies: int) -> str | None:
    """The IP address, without a port; None if there is none, for example behind a Unix socket.

    `forwarded` is the value of X-Forwarded-For (several headers joined by commas, '' for none), and
    `peer` the address at the other end of the connection. The peer's address is returned for a
    request that came through fewer proxies than `proxies`, or whose proxy wrote no address
    (`unknown`, RFC 7239 section 6.2): such people share that proxy's limits; nobody is shut out.
    """
    past = forwarded.split(",") if forwarded else []
    found: str | None = None
    if 0 < proxies <= len(past):
        found = _address_in(past[-proxies])
    if found is None and peer:
        found = _address_in(peer)
    return found and _in_one_form(found)


def _address_in(text: str) -> str | None:
    """The address without brackets and port; None if there is none.

    Internal to allauth, which reads addresses for its limits in the same way. No upstream issue
    known. If it moves, this module cannot be imported and no process starts.
    """
    address: str | None = clean_client_ip(text)
    return address


def _in_one_form(address: str) -> str:
    # PostgreSQL's inet accepts no zone such as %eth0 in fe80::1%eth0.
    parsed = ipaddress.ip_address(address.partition("%")[0])
    # A dual-stack socket shows IPv4 peers as ::ffff:192.0.2.1, which puts all of them in one /64.
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
