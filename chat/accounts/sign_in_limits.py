"""How many wrong passwords and codes may be tried, by whom.

The rates are in `ACCOUNT_RATE_LIMITS`:

| count | of | stops |
|---|---|---|
| `sign_in` | attempts from an address, right ones too | one machine that keeps ours busy |
| `login_failed` | an address; a name from that address | one machine |
| `login_failed_by_name` | a name, from anywhere | many machines |
| `code_failed` | codes from an address; codes of a person, from anywhere | a password thief |
| `login_failed_by_device` | a browser or session that knows the person | a stolen cookie |

Anybody can use up the count of a name. So a request with the person's session, or with the cookie
of a browser in which they have signed in (`chat.accounts.known_devices`), has a count of its own,
and no other applies. When that is used up, the request counts as a stranger's.

All counts but `sign_in` are taken back if the password or the code was right.

`ratelimit` is internal to allauth: what it offers publicly applies the limits of a whole view, not
of a name. No upstream issue known. If it moves, this module cannot be imported and no process
starts.
"""

from __future__ import annotations

from allauth.core.internal import ratelimit
from allauth.core.internal.ratelimit import RateLimitUsage
from django.http import HttpRequest

from chat.accounts import known_devices
from chat.names import usernames

APP = "allauth.account"


def try_password(request: HttpRequest, username: str) -> RateLimitUsage | None:
    """Counts an attempt at a name's password, whether or not the name exists; None when refused.

    It blocks for the bus.
    """
    name = usernames.normalise(username)
    # Neither host nor port of the request is part of a key: the client can choose them.
    here = f"{name} {ratelimit.get_ip(request)}"
    known = _known_by(request, name, signed_in=False)
    return _try(request, known, (("login_failed", here), ("login_failed_by_name", name)))


def try_code(request: HttpRequest, username: str) -> RateLimitUsage | None:
    """Like `try_password`, for a code of the person's second factor."""
    # Not a browser known only by a reset by mail: the code must stop somebody who reads the mail.
    known = _known_by(request, username, signed_in=True)
    return _try(request, known, (("code_failed", username),))


def _try(
    request: HttpRequest, known: str | None, of_strangers: tuple[tuple[str, str], ...]
) -> RateLimitUsage | None:
    if known is not None:
        usage = _count(request, "login_failed_by_device", known)
        if usage is not None:
            return usage
    if _count(request, "sign_in", "") is None:
        return None
    counted = RateLimitUsage(usage=[])
    for action, key in of_strangers:
        usage = _count(request, action, key)
        if usage is None:
            return None
        counted.usage.extend(usage.usage)
    return counted


def _known_by(request: HttpRequest, username: str, *, signed_in: bool) -> str | None:
    """What in the request is known to be the person's: their session, or a browser."""
    if request.user.is_authenticated and request.user.get_username() == username:
        return f"session {request.session.session_key}"
    device = known_devices.device_of(request, username, signed_in=signed_in)
    return None if device is None else f"device {device}"


def _count(request: HttpRequest, action: str, key: str) -> RateLimitUsage | None:
    return ratelimit.consume(request, app=APP, action=action, key=key)
