from __future__ import annotations

import pytest

from chat.accounts.origins import is_allowed_origin

ALLOWED = ("https://chat.example.org", "http://localhost:8000")


@pytest.mark.parametrize("origin", [b"https://chat.example.org", b"http://localhost:8000"])
def test_listed_origin_may_connect(origin: bytes) -> None:
    assert is_allowed_origin([(b"host", b"x"), (b"origin", origin)], ALLOWED)


@pytest.mark.parametrize(
    "origin",
    [
        b"null",
        b"",
        b"*",
        b"http://chat.example.org",
        b"https://chat.example.org:8443",
        b"https://chat.example.org/",
        b"https://CHAT.example.org",
        b"https://chat.example.org.evil.example",
        b"https://evil.chat.example.org",
        b"https://chat.example.org@evil.example",
        b"https://chat.example.org,https://chat.example.org",
        b"http://localhost",
        b"\xff\xfe",
    ],
)
def test_any_other_origin_may_not(origin: bytes) -> None:
    assert not is_allowed_origin([(b"origin", origin)], ALLOWED)


def test_absent_or_repeated_origin_may_not() -> None:
    good = (b"origin", b"https://chat.example.org")

    assert not is_allowed_origin([], ALLOWED)
    assert not is_allowed_origin([good, good], ALLOWED)
    assert not is_allowed_origin([good, (b"Origin", b"https://evil.example")], ALLOWED)
