"""Where a request comes from, past our own proxies.

Each proxy appends the address of who spoke to it to `X-Forwarded-For`; what stands further left was
written by the client, who may write anything. `TRUSTED_PROXIES` is the number of proxies in front.
"""

from __future__ import annotations

import ipaddress

from allauth.core.internal.httpkit import clean_client_ip


def client_address(forwarded: str, peer: str | None, proxies: int) -> str | None:
    """The IP address, without a port; None where there is none, as behind a Unix socket.

    `forwarded` is the value of X-Forwarded-For (several headers joined by commas, '' for none), and
    `peer` the address at the other end of the connection. It answers for a request that came past
    fewer proxies than `proxies`, and for one whose proxy wrote no address (`unknown`, RFC 7239
    section 6.2): such people share the limits of that proxy, and nobody is shut out.
    """
    past = forwarded.split(",") if forwarded else []
    found: str | None = None
    if 0 < proxies <= len(past):
        found = clean_client_ip(past[-proxies])
    if found is None and peer:
        found = clean_client_ip(peer)
    return found and _in_one_form(found)


def _in_one_form(address: str) -> str:
    # PostgreSQL's inet takes no zone, as in fe80::1%eth0.
    parsed = ipaddress.ip_address(address.partition("%")[0])
    # A socket that takes both has IPv4 peers as ::ffff:192.0.2.1: all of them in one /64.
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
