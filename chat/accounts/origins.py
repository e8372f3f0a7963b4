"""Which web pages may open a socket that acts with the visitor's cookie.

A browser sends cookies with a socket that any page opens, without asking first (CWE-1385); only
the Origin header tells which page opened it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

Headers = Iterable[tuple[bytes, bytes]]


def is_allowed_origin(headers: Headers, allowed_origins: Collection[str]) -> bool:
    """Whether exactly one Origin is given and it is, character for character, an allowed one.

    Scheme, host and port must all agree. Absent (programs: they have tickets) and `null`
    (sandboxed pages, redirects) are not allowed.
    """
    origins = [value for name, value in headers if name.lower() == b"origin"]
    if len(origins) != 1:
        return False
    return origins[0].decode("latin1") in allowed_origins
