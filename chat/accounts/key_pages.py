"""Pages whose address holds a key, such as the one that confirms a mail address."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def keep_the_key(view: View) -> View:
    """Makes browsers name the site alone where they come from, not the page with the key.

    The files and forms of the page would carry its address as their referrer otherwise, which a
    gateway writes down with what it complains of. Not `no-referrer`: forms would then say that
    they come from nowhere (`Origin: null`), and be refused.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "strict-origin"
        return response

    return answer
